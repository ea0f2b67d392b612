//! Which shard of a series a process analyses: as the option says, or its launcher.

use anyhow::{Context, bail, ensure};
use neuromfa::internals::replay::Shard;

/// Variables in which launchers say which of their processes this is, from 0 on, and how many there are. A
/// launcher may start another, whose variables are first here.
const LAUNCHERS: [(&str, &str); 3] = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), // mpirun of Open MPI
    ("PMI_RANK", "PMI_SIZE"),                         // mpiexec of MPICH and Intel MPI
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),         // srun
];

/// Reads `I/N`, or `auto`.
pub fn shard(text: &str) -> anyhow::Result<Shard> {
    match text {
        "auto" => of_launcher(|name| std::env::var(name).ok()),
        text => given(text),
    }
}

fn given(text: &str) -> anyhow::Result<Shard> {
    let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    let (index, count) = numbers.context("expected I/N, as in 3/8, or auto")?;
    let last = format!("{count}/{count}");
    match Shard::new(index, count) {
        Some(shard) => Ok(shard),
        None => bail!("shards are numbered from 1 on: 1/{count} to {last}, got {index}/{count}"),
    }
}

fn of_launcher(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Shard> {
    let says = |&(rank, size): &(&'static str, &'static str)| {
        Some((variable(rank)?, variable(size)?, rank, size))
    };
    let Some((rank, size, of_rank, of_size)) = LAUNCHERS.iter().find_map(says) else {
        let names: Vec<&str> = LAUNCHERS.iter().map(|(rank, _)| *rank).collect();
        bail!(
            "no launcher says which of its processes this is ({}): start with mpirun, mpiexec or srun, or \
             give I/N",
            names.join(", ")
        );
    };
    let number = |text: &str, name: &str| {
        text.parse::<usize>().with_context(|| format!("{name} is {text:?}, no number"))
    };
    let (rank, size) = (number(&rank, of_rank)?, number(&size, of_size)?);
    ensure!(rank < size, "{of_rank} is {rank}, and {of_size} {size}: give I/N");
    Shard::new(rank + 1, size).context("no shard")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_numbered_from_1() {
        assert_eq!(given("3/8").unwrap(), Shard::new(3, 8).unwrap());
        for (text, words) in [
            ("0/8", "shards are numbered from 1 on: 1/8 to 8/8, got 0/8"),
            ("9/8", "got 9/8"),
            ("1/0", "got 1/0"),
            ("3", "expected I/N"),
            ("-1/8", "expected I/N"),
            ("a/b", "expected I/N"),
        ] {
            let said = given(text).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }

    #[test]
    fn the_innermost_launcher_says_the_rank() {
        let of = |variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            of_launcher(variable).map_err(|e| e.to_string())
        };
        let slurm = [("SLURM_PROCID", "0"), ("SLURM_STEP_NUM_TASKS", "2")];
        let open = [("OMPI_COMM_WORLD_RANK", "4"), ("OMPI_COMM_WORLD_SIZE", "7")];
        assert_eq!(of(&slurm).unwrap(), Shard::new(1, 2).unwrap());
        assert_eq!(of(&[&slurm[..], &open].concat()).unwrap(), Shard::new(5, 7).unwrap());
        assert_eq!(of(&[("PMI_RANK", "6"), ("PMI_SIZE", "7")]).unwrap(), Shard::new(7, 7).unwrap());
        // A batch script of Slurm is no process among many.
        let none = of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")]).unwrap_err();
        assert!(none.contains("start with mpirun, mpiexec or srun, or give I/N"), "{none}");
        assert!(of(&[("PMI_RANK", "7"), ("PMI_SIZE", "7")]).is_err());
        assert!(of(&[("PMI_RANK", "x"), ("PMI_SIZE", "7")]).unwrap_err().contains("no number"));
    }
}
