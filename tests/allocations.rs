//! Only the first snapshot and each thread's first tasks allocate large memory: later ones reuse
//! it.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use neuromfa::Controls;
use neuromfa::internals::analysis::{Estimators, Hops, Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::Method;
use neuromfa::network::{Network, Selection};
use neuromfa::source::{Memory, Source};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest single allocation since it was last set to 0.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: all calls are passed on to the system's allocator as they come.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_snapshot_uses_its_memory_again() {
    // 2 × 1.5 million weights between 1024, 1500 and 1000 neurons.
    let weights = Memory::new();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // New ones each time: what has not changed is not counted again.
    let mut train = || {
        for (name, shape) in [("0.weight", [1500, 1024]), ("2.weight", [1000, 1500])] {
            let values: Vec<f32> =
                (0..shape[0] * shape[1]).map(|_| rng.random_range(-0.1..0.1)).collect();
            weights.set(name, &shape, values).unwrap();
        }
    };
    train();
    let network = Network::infer(&weights.parameters(), &Selection::default()).unwrap();
    let draw = Draw::random(&network, 64, 10, 0).unwrap();
    let plan = Plan::new(&Method::default(), &network, &draw, true).unwrap();
    let hops = Hops { most: 2, budget: None, seed: 0 };
    let plan = plan.with_hops(hops).unwrap();
    let mut plan = plan.with_controls(Controls::default()).with_details();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let estimators = Estimators::new(&plan);

    LARGEST.store(0, Ordering::Relaxed);
    let mut snapshot = Snapshot::new(&plan);
    plan.snapshot(&weights, &pool, &mut snapshot).unwrap();
    assert!(LARGEST.load(Ordering::Relaxed) > 1 << 20, "the first one allocates its histograms");
    let measured = pool.install(|| estimators.measure(&plan, &snapshot, 0));
    plan.start_from(&measured.deviations);
    // Each thread keeps memory of its own for the largest task that it had: have each do all of them.
    for thread in 0..2 {
        train();
        without(&pool, thread, || plan.snapshot(&weights, &pool, &mut snapshot).unwrap());
    }
    train();

    LARGEST.store(0, Ordering::Relaxed);
    plan.snapshot(&weights, &pool, &mut snapshot).unwrap();
    let largest = LARGEST.load(Ordering::Relaxed);
    assert_eq!(snapshot.unchanged_layers(), 0);
    assert!(largest <= 256 << 10, "{largest} bytes at once");
}

/// Runs while a thread of the pool waits, so that the others do all the work.
fn without(pool: &rayon::ThreadPool, thread: usize, run: impl FnOnce()) {
    let (hold, held) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    pool.spawn_broadcast(move |context| {
        if context.index() == thread {
            hold.send(()).unwrap();
            // An error once `release` is dropped, also by a panic: it need not wait any longer.
            let _ = released.lock().unwrap().recv();
        }
    });
    held.recv().unwrap();
    run();
    drop(release);
}
