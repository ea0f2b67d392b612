//! Files that are damaged or made to do harm neither panic nor take memory beyond their length and
//! what a small file may need. One test in this file, since it counts all memory of the process.
#![allow(unsafe_code)]

mod pickled;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use neuromfa::source::{CheckpointFile, Source};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use pickled::{View, archive, pickle, text, zip};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it passes every call on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MUTATIONS: usize = 3000;
/// Allowance for names, the structure of small files and messages.
const ALLOWANCE: usize = 64 << 10;
/// Numbers at the edges of what lengths and offsets can be.
const EXTREMES: [u64; 8] =
    [0, 1, 0x7f, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX];

/// Damages a file at one to four positions, mostly in its structure: within `structure` or near the
/// end.
fn damage(bytes: &mut Vec<u8>, structure: std::ops::Range<usize>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..=4) {
        let length = bytes.len();
        if length < 16 {
            return;
        }
        let at = match rng.random_range(0..10) {
            0..6 => rng.random_range(structure.clone()).min(length - 1),
            6..9 => rng.random_range(length.saturating_sub(1200)..length),
            _ => rng.random_range(0..length),
        };
        match rng.random_range(0..8) {
            0..3 => bytes[at] = rng.random(),
            3 => bytes[at] ^= 1 << rng.random_range(0..8),
            4 => {
                let (wide, n) = (EXTREMES[rng.random_range(0..8)].to_le_bytes(), length - at);
                let width = [1, 2, 4, 8][rng.random_range(0..4)].min(n);
                bytes[at..at + width].copy_from_slice(&wide[..width]);
            }
            5 => {
                let n = rng.random_range(1..=40.min(length - at));
                bytes.drain(at..at + n);
            }
            6 => {
                let from = rng.random_range(0..length);
                let piece = bytes[from..(from + rng.random_range(1..=60)).min(length)].to_vec();
                bytes.splice(at..at, piece);
            }
            _ if rng.random_range(0..4) == 0 => bytes.truncate(at),
            _ => bytes.insert(at, rng.next_u32() as u8),
        }
    }
}

/// Opens a file and reads all that it holds.
fn read(file: &Path) -> Result<usize, String> {
    let source = CheckpointFile::open(file).map_err(|e| e.to_string())?;
    let parameters = source.parameters();
    for parameter in &parameters {
        let tensor = source.tensor(&parameter.name).map_err(|e| e.to_string())?;
        assert_eq!(tensor.values().len(), parameter.shape.iter().product::<usize>());
    }
    Ok(parameters.len())
}

/// How a file is read, and the memory that it took.
fn measured(file: &Path) -> (Result<usize, String>, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = read(file);
    (result, PEAK.load(Relaxed) - before)
}

/// Pickles of a few megabytes that would be gigabytes, or never end, without bounds.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    const SIZE: usize = 2 << 20;
    let many = |piece: &[u8]| piece.repeat(SIZE / piece.len());
    // Dicts that each hold the next one twice: 2^40 ways to the tensor.
    let tensor = View::whole("FloatStorage", 0, &[1]).pickled();
    let doubled = (0..40).fold(tensor.clone(), |inner, k| {
        let put = [&b"r"[..], &u32::to_le_bytes(k)].concat();
        let get = [&b"j"[..], &u32::to_le_bytes(k)].concat();
        let pairs = [text("a"), inner, put, text("b"), get].concat();
        [b"}(", &pairs[..], b"u"].concat()
    });
    // One long key again and again, and one long list turned into dicts again and again.
    let key = "k".repeat(1000);
    let long = [&b"}("[..], &text(&key), b"q\x00", &tensor, b"q\x01u"].concat();
    let named = (1..4000).map(|k| [text(&k.to_string()), b"}(h\x00h\x01u".to_vec()].concat());
    let names = [&b"}("[..], &text("0"), &long, &named.collect::<Vec<_>>().concat(), b"u"].concat();
    let list = [&b"](("[..], &many(b"K\x01]\x86"), b"e"].concat();
    let ordered = [list, b"q\x00".to_vec(), many(b"ccollections\nOrderedDict\n(h\x00tR")].concat();
    let deep = [b"]".repeat(100_000), b"a".repeat(99_999)].concat();
    vec![
        ("constants", many(b"N")),
        ("lists", many(b"]")),
        ("dicts", many(b"}")),
        ("tuples", many(b")")),
        ("marks", many(b"(")),
        ("memo", [&b"]"[..], &many(b"\x94")].concat()),
        ("tuples of tuples", many(b"N\x85")),
        ("a text of 2^63 bytes", b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec()),
        ("a text of 4 GiB", b"X\xff\xff\xff\xff".to_vec()),
        ("doubled", doubled),
        ("names", names),
        ("ordered", ordered),
        ("deep", deep),
        ("itself", b"]q\x00h\x00a".to_vec()),
    ]
}

#[test]
fn files_are_read_or_refused_within_their_own_length() {
    bombs_are_refused();
    mutations_are_read_or_refused();
    mutations_of_sharded_checkpoints_are_read_or_refused();
}

fn bombs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bomb) in bombs() {
        let file = dir.path().join(format!("{name}.pt"));
        let bytes = zip(&archive(&pickle(bomb), &[vec![0; 4]]), false);
        std::fs::write(&file, &bytes).unwrap();
        let started = std::time::Instant::now();
        let (result, taken) = measured(&file);
        let why = result.expect_err(name);
        assert!(why.contains(&format!("{name}.pt")), "{why}");
        assert!(why.len() < 2000, "{why}");
        let limit = bytes.len() + (64 << 20) + ALLOWANCE;
        assert!(taken < limit, "{name} took {taken} bytes of {limit}");
        // They take less than a second each; without bounds some would never end.
        assert!(started.elapsed().as_secs() < 30, "{name}");
    }
}

fn mutations_are_read_or_refused() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let dir = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for name in [
        "mlp.safetensors",
        "mlp.bin",
        "mlp.ot",
        "mlp-training.pt",
        "mlp-lightning.ckpt",
        "mlp-module.pt",
        "mlp-script.pt",
        "odd.pt",
        "mlp-legacy.pth",
        "sharded/legacy-4.pth",
        "sharded/f8-scaled.safetensors",
    ] {
        let valid = std::fs::read(data.join(name)).unwrap();
        // The pickle; the header of a safetensors file.
        let name = name.rsplit('/').next().unwrap();
        let pickle = valid
            .windows(11)
            .position(|w| w == b"\x80\x02ccollectio" || w.starts_with(b"\x80\x02"));
        let start = pickle.unwrap_or(0);
        let structure = start..(start + 2500).min(valid.len());
        let (mut whole, mut refused) = (0, 0);
        for k in 0..MUTATIONS {
            let mut bytes = valid.clone();
            damage(&mut bytes, structure.clone(), &mut rng);
            let file = dir.path().join(format!("{k}-{name}"));
            std::fs::write(&file, &bytes).unwrap();
            let (result, taken) = measured(&file);
            match result {
                Ok(_) => whole += 1,
                Err(why) => {
                    assert!(why.contains(&format!("{k}-{name}")), "{why}");
                    refused += 1;
                }
            }
            // An element of 8 bits becomes one of 32 bits.
            let times = if name.starts_with("f8") { 6 } else { 1 };
            let limit = times * bytes.len() + ALLOWANCE;
            assert!(taken < limit, "mutation {k} of {name} took {taken} bytes of {limit}");
            std::fs::remove_file(&file).unwrap();
        }
        assert!(refused > MUTATIONS / 10 && whole > 0, "{name}: {refused} refused, {whole} read");
    }
}

/// One file of several is damaged. A pickled table takes more memory than its length.
fn mutations_of_sharded_checkpoints_are_read_or_refused() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sharded");
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let pieces = [
        "shard-00001-model-00001-of-00001.safetensors",
        "shard-00002-model-00001-of-00001.safetensors",
    ];
    for (folder, files) in
        [("dcp", &[".metadata", "__0_0.distcp", "__1_0.distcp"][..]), ("pieces", &pieces[..])]
    {
        let dir = tempfile::tempdir().unwrap();
        let valid = files.iter().map(|name| std::fs::read(data.join(folder).join(name)).unwrap());
        let valid: Vec<Vec<u8>> = valid.collect();
        let write =
            |k: usize, bytes: &[u8]| std::fs::write(dir.path().join(files[k]), bytes).unwrap();
        valid.iter().enumerate().for_each(|(k, bytes)| write(k, bytes));
        let (mut whole, mut refused) = (0, 0);
        for k in 0..MUTATIONS {
            // Mostly the first file, which has the table.
            let k = if k % 3 == 0 { k / 3 % files.len() } else { 0 };
            let mut bytes = valid[k].clone();
            let length = bytes.len();
            damage(&mut bytes, 0..length.min(2600), &mut rng);
            write(k, &bytes);
            let (result, taken) = measured(dir.path());
            *(if result.is_ok() { &mut whole } else { &mut refused }) += 1;
            let limit = 2 * valid.iter().map(Vec::len).sum::<usize>() + 8 * ALLOWANCE;
            assert!(taken < limit, "a mutation of {} took {taken} bytes of {limit}", files[k]);
            write(k, &valid[k]);
        }
        assert!(refused > MUTATIONS / 10 && whole > 0, "{folder}: {refused} refused, {whole} read");
    }
}
