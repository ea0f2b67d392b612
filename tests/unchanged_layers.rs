//! Layers whose weights did not change are not counted again, and the numbers are the same.

use neuromfa::Controls;
use neuromfa::internals::analysis::{Baseline, Emergence, Estimators, Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::Method;
use neuromfa::network::{Network, Selection};
use neuromfa::source::{Memory, Source};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::{ThreadPool, ThreadPoolBuilder};

const WIDTH: usize = 40;
const LAYERS: usize = 5;

fn set(memory: &Memory, layer: usize, rng: &mut ChaCha8Rng) {
    let values: Vec<f32> = (0..WIDTH * WIDTH).map(|_| rng.random_range(-0.2..0.2)).collect();
    memory.set(&format!("{layer}.weight"), &[WIDTH, WIDTH], values).unwrap();
}

fn network(rng: &mut ChaCha8Rng) -> (Memory, Plan, ThreadPool) {
    let memory = Memory::new();
    (0..LAYERS).for_each(|layer| set(&memory, layer, rng));
    let network = Network::infer(&memory.parameters(), &Selection::default()).unwrap();
    let draw = Draw::random(&network, 16, 3, 0).unwrap();
    let plan = Plan::new(&Method::default(), &network, &draw, true).unwrap();
    let plan = plan.with_controls(Controls::default()).with_details();
    (memory, plan, ThreadPoolBuilder::new().num_threads(2).build().unwrap())
}

#[test]
fn counts_are_those_of_fresh_memory_whatever_is_frozen_and_thawed() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (memory, mut plan, pool) = network(&mut rng);
    let mut used = Snapshot::new(&plan);
    plan.snapshot(&memory, &pool, &mut used).unwrap();
    let estimators = Estimators::new(&plan);
    let first = pool.install(|| estimators.measure(&plan, &used, 0));
    let baseline = Baseline::new(0, &plan, &first);
    plan.start_from(&first.deviations);
    let mut reused = 0;
    for round in 0..60 {
        for layer in 0..LAYERS {
            // One layer is never trained, one always, the others now and then.
            let trained = [false, true, rng.random_bool(0.5), rng.random_bool(0.2), round == 30];
            if trained[layer] {
                set(&memory, layer, &mut rng);
            }
        }
        plan.snapshot(&memory, &pool, &mut used).unwrap();
        let mut fresh = Snapshot::new(&plan);
        plan.snapshot(&memory, &pool, &mut fresh).unwrap();
        assert!(used == fresh, "round {round}");
        let rows = [&used, &fresh].map(|snapshot| {
            let measured = pool.install(|| estimators.measure(&plan, snapshot, round));
            let row = Emergence::new(&plan, &baseline, &measured);
            format!("{row:?} {:?}", measured.neurons)
        });
        assert!(rows[0] == rows[1], "round {round}: {} {}", rows[0], rows[1]);
        assert_eq!(fresh.unchanged_layers(), 0);
        assert!(used.unchanged_layers() < LAYERS, "the second layer is always trained");
        reused += used.unchanged_layers();
    }
    // The first and the last layer are frozen for nearly all rounds, the fourth for most.
    assert!(reused > 60 * 2, "{reused}");
}

#[test]
fn weights_that_are_not_finite_are_remembered_with_their_layer() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (memory, plan, pool) = network(&mut rng);
    let mut values = vec![0.1f32; WIDTH * WIDTH];
    values[7] = f32::NAN;
    memory.set("2.weight", &[WIDTH, WIDTH], values).unwrap();
    let mut snapshot = Snapshot::new(&plan);
    for round in 0..4 {
        plan.snapshot(&memory, &pool, &mut snapshot).unwrap();
        assert_eq!(snapshot.not_finite(), 1, "round {round}");
    }
    assert_eq!(snapshot.unchanged_layers(), LAYERS);
    set(&memory, 2, &mut rng);
    plan.snapshot(&memory, &pool, &mut snapshot).unwrap();
    assert_eq!((snapshot.not_finite(), snapshot.unchanged_layers()), (0, LAYERS - 1));
}
