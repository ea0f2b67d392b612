//! Writes archives as `torch.save` and `VarStore::save` do: a zip of stored entries and a pickle of
//! protocol 2. Pickles are put together from pieces, so that tests can write damaged ones as well.
#![allow(dead_code)] // each test file uses its part

/// An entry of a zip archive.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub bytes: Vec<u8>,
    pub method: u16, // 0: stored
    pub flags: u16,
}

pub fn entry(name: &str, bytes: impl Into<Vec<u8>>) -> Entry {
    Entry { name: name.to_owned(), bytes: bytes.into(), method: 0, flags: 0 }
}

fn le(numbers: &[(u64, usize)]) -> Vec<u8> {
    numbers.iter().flat_map(|(n, width)| n.to_le_bytes()[..*width].to_vec()).collect()
}

/// A zip archive, contents aligned to 64 bytes. `wide` writes all sizes and offsets in 64 bits.
pub fn zip(entries: &[Entry], wide: bool) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let (start, size) = (file.len() as u64, entry.bytes.len() as u64);
        let name = entry.name.as_bytes();
        let padding = (64 - (file.len() + 30 + name.len() + 4) % 64) % 64;
        let fixed = |out: &mut Vec<u8>, size: u64, extra: usize| {
            let (flags, method) = (u64::from(entry.flags), u64::from(entry.method));
            out.extend(le(&[(flags, 2), (method, 2), (0, 8), (size, 4), (size, 4)]));
            out.extend(le(&[(name.len() as u64, 2), (extra as u64, 2)]));
        };
        file.extend(b"PK\x03\x04\x00\x00");
        fixed(&mut file, size, padding + 4);
        file.extend(name);
        file.extend(b"FB");
        file.extend(le(&[(padding as u64, 2)]));
        file.extend(vec![b'Z'; padding]);
        file.extend(&entry.bytes);
        directory.extend(b"PK\x01\x02\x00\x00\x00\x00");
        let extra = le(&[(1, 2), (24, 2), (size, 8), (size, 8), (start, 8)]);
        let extra = if wide { &extra[..] } else { &[] };
        let narrow = |n: u64| if wide { u64::from(u32::MAX) } else { n };
        fixed(&mut directory, narrow(size), extra.len());
        // The comment's length, the disk, attributes; the position of the entry.
        directory.extend(le(&[(0, 2), (0, 2), (0, 6), (narrow(start), 4)]));
        directory.extend(name);
        directory.extend(extra);
    }
    let (start, size, count) = (file.len() as u64, directory.len() as u64, entries.len() as u64);
    file.extend(directory);
    if wide {
        let end = file.len() as u64;
        file.extend(b"PK\x06\x06");
        file.extend(le(&[(44, 8), (0, 4), (0, 8), (count, 8), (count, 8), (size, 8), (start, 8)]));
        file.extend(b"PK\x06\x07");
        file.extend(le(&[(0, 4), (end, 8), (1, 4)]));
    }
    let narrow = |n: u64| if wide { u64::from(u32::MAX) } else { n };
    file.extend(b"PK\x05\x06");
    file.extend(le(&[
        (0, 4),
        (count, 2),
        (count, 2),
        (narrow(size), 4),
        (narrow(start), 4),
        (0, 2),
    ]));
    file
}

/// `NAME/data.pkl` with the storages `NAME/data/0`, `NAME/data/1`, ..
pub fn archive(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<Entry> {
    let mut entries = vec![entry("weights/data.pkl", pickle), entry("weights/byteorder", "little")];
    let data = storages.iter().enumerate();
    entries.extend(data.map(|(k, bytes)| entry(&format!("weights/data/{k}"), bytes.clone())));
    entries.push(entry("weights/version", "3\n"));
    entries
}

/// A whole pickle.
pub fn pickle(body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"\x80\x02", body.as_ref(), b"."].concat()
}

pub fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

pub fn int(n: i64) -> Vec<u8> {
    [&b"\x8a\x08"[..], &n.to_le_bytes()].concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

pub fn dict(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<u8> = pairs.iter().flat_map(|(k, v)| [&k[..], v].concat()).collect();
    [b"}(", &pairs[..], b"u"].concat()
}

/// A tensor of `length` stored elements in the storage `key`.
#[derive(Clone, Debug)]
pub struct View {
    pub class: &'static str,
    pub key: String,
    pub length: i64,
    pub offset: i64,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
}

impl View {
    /// A row-major tensor that fills the storage `key`.
    pub fn whole(class: &'static str, key: usize, shape: &[usize]) -> Self {
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        let strides = (0..shape.len()).map(|k| shape[k + 1..].iter().product()).collect();
        let length = shape.iter().product();
        Self { class, key: key.to_string(), length, offset: 0, shape, strides }
    }

    pub fn pickled(&self) -> Vec<u8> {
        let ints = |ns: &[i64]| tuple(&ns.iter().map(|&n| int(n)).collect::<Vec<_>>());
        let id = tuple(&[
            text("storage"),
            global("torch", self.class),
            text(&self.key),
            text("cpu"),
            int(self.length),
        ]);
        let hooks = [global("collections", "OrderedDict"), b")R".to_vec()].concat();
        let arguments = tuple(&[
            [id, b"Q".to_vec()].concat(),
            int(self.offset),
            ints(&self.shape),
            ints(&self.strides),
            b"\x89".to_vec(),
            hooks,
        ]);
        [global("torch._utils", "_rebuild_tensor_v2"), arguments, b"R".to_vec()].concat()
    }
}

/// A f32 tensor: name, shape, values.
pub type F32s = (String, Vec<usize>, Vec<f32>);

/// Each tensor's name and pickle.
fn views(tensors: &[F32s]) -> Vec<(String, Vec<u8>)> {
    let tensors = tensors.iter().enumerate();
    let view = |k, shape: &[usize]| View::whole("FloatStorage", k, shape).pickled();
    tensors.map(|(k, (name, shape, _))| (name.clone(), view(k, shape))).collect()
}

fn storages(tensors: &[F32s]) -> Vec<Vec<u8>> {
    let bytes = |values: &Vec<f32>| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensors.iter().map(|(_, _, values)| bytes(values)).collect()
}

/// As `torch.save(state_dict)` writes it.
pub fn state_dict(tensors: &[F32s]) -> Vec<u8> {
    let pairs: Vec<_> = views(tensors).into_iter().map(|(n, view)| (text(&n), view)).collect();
    let pairs: Vec<u8> = pairs.into_iter().flat_map(|(k, v)| [k, v].concat()).collect();
    let made =
        [global("collections", "OrderedDict"), b")R(".to_vec(), pairs, b"u".to_vec()].concat();
    zip(&archive(&pickle(made), &storages(tensors)), false)
}

/// As tch's `VarStore::save` writes it: the attributes of a module of TorchScript.
pub fn var_store(tensors: &[F32s]) -> Vec<u8> {
    let views = views(tensors).into_iter();
    let pairs: Vec<_> = views.map(|(n, view)| (text(&n.replace('.', "|")), view)).collect();
    let made = [global("__torch__", "Module"), b")\x81".to_vec(), dict(&pairs), b"b".to_vec()];
    let mut entries = archive(&pickle(made.concat()), &storages(tensors));
    entries.push(Entry { method: 8, ..entry("weights/code/__torch__.py", "compressed") });
    zip(&entries, true)
}
