//! Run directories with garbage in their files are read as far as they are whole, or refused.

mod golden;
mod loops;

use std::path::Path;

use neuromfa::internals::record::read_table;
use neuromfa::source::Checkpoint;
use neuromfa::{RecordError, Replay, Samples};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use golden::path;
use loops::damage::damage;

#[test]
fn garbage_in_a_table_is_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("emergence.csv");
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let valid = b"step,wall_time,loss,\"val, loss\",E,status\n0,1.5,2,\"3\",0.1,ok\n\
                  64,2.5,NaN,,0.2,\"degenerate\"\n128,3.5,2,\"-4\",,ok\n";
    let (mut rows, mut lost, mut refused) = (0, 0, 0);
    for _ in 0..2000 {
        let mut text = valid.to_vec();
        damage(&mut text, &mut rng);
        // A new file each time: to cut an old one short some systems wait for the disk.
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, &text).unwrap();
        match read_table(&file) {
            Ok((columns, cells)) => {
                assert!(cells.iter().all(|row| row.len() == columns.len()));
                rows += cells.len();
                lost += 3 - cells.len().min(3);
            }
            Err(RecordError::Row { line, .. }) => {
                assert!((1..10).contains(&line), "{line}");
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    let counts = format!("{rows} rows were read, {lost} cut, {refused} files refused");
    assert!(rows > 1000 && lost > 200 && refused > 200, "{counts}");
}

#[test]
fn a_run_with_garbage_goes_on_or_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let weights = std::fs::read(path("mlp.safetensors")).unwrap();
    let checkpoints = dir.path().join("checkpoints");
    std::fs::create_dir(&checkpoints).unwrap();
    for step in [0, 5, 9] {
        std::fs::write(checkpoints.join(format!("m-step{step}.safetensors")), &weights).unwrap();
    }
    let checkpoints = Checkpoint::find(&[checkpoints]).unwrap();
    let analyse = |folder: &Path| {
        Replay::new(folder).sampled(Samples { neurons: 16, samples: 2, seed: 1 }).threads(1)
    };
    let valid = dir.path().join("valid");
    analyse(&valid).run(&checkpoints).unwrap();
    let entries = std::fs::read_dir(&valid).unwrap().map(|e| e.unwrap().path());
    let files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut went_on, mut refused) = (0, 0);
    for damaged in files.iter().filter(|file| file.extension().is_some()) {
        for _ in 0..40 {
            let run = dir.path().join("run");
            std::fs::create_dir(&run).unwrap();
            for file in &files {
                let mut text = std::fs::read(file).unwrap();
                if file == damaged {
                    damage(&mut text, &mut rng);
                }
                std::fs::write(run.join(file.file_name().unwrap()), text).unwrap();
            }
            match analyse(&run).resume().run(&checkpoints) {
                Ok(_) => went_on += 1,
                Err(error) => {
                    assert!(error.to_string().contains("run"), "{error}");
                    refused += 1;
                }
            }
            std::fs::remove_dir_all(&run).unwrap();
        }
    }
    assert!(went_on > 20 && refused > 20, "{went_on} went on, {refused} were refused");
}
