//! Rows that repeat but for the numbers in their names, such as the blocks of a transformer.

/// Rows `start..start + period`, which the next `count - 1` times as many rows repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub start: usize,
    pub period: usize,
    pub count: usize,
}

/// The longest repeated stretch that is looked for.
const LONGEST: usize = 80;

/// Divides rows into runs, in order. Rows are alike when their names are equal except for numbers,
/// and everything else in them is equal.
pub(super) fn runs(names: &[Vec<&str>], rest: &[&str]) -> Vec<Run> {
    let keys: Vec<(String, &str)> =
        names.iter().zip(rest).map(|(n, &rest)| (template(&n.join(" ")), rest)).collect();
    let mut runs: Vec<Run> = Vec::new();
    let mut start = 0;
    while start < keys.len() {
        let best = (1..=LONGEST.min((keys.len() - start) / 2))
            .map(|period| Run { start, period, count: repeats(&keys[start..], period) })
            .filter(|run| run.count > 1)
            // The most rows; of equals the shortest stretch.
            .max_by_key(|run| (run.period * run.count, std::cmp::Reverse(run.period)));
        let run = best.unwrap_or(Run { start, period: 1, count: 1 });
        start += run.period * run.count;
        match runs.last_mut() {
            Some(last) if last.count == 1 && run.count == 1 => last.period += 1,
            _ => runs.push(run),
        }
    }
    runs
}

/// How often the first `period` keys are repeated at the start.
fn repeats<K: PartialEq>(keys: &[K], period: usize) -> usize {
    keys.chunks_exact(period).take_while(|chunk| *chunk == &keys[..period]).count()
}

/// A name with its runs of digits replaced.
fn template(name: &str) -> String {
    let mut template = String::with_capacity(name.len());
    for c in name.chars() {
        if !c.is_ascii_digit() {
            template.push(c);
        } else if !template.ends_with('#') {
            template.push('#');
        }
    }
    template
}

impl Run {
    /// The names of the first and the last repetition, up to the number in which they differ.
    pub fn stems<'n>(first: &'n str, last: &'n str) -> (&'n str, &'n str) {
        let (a, b) = (first.as_bytes(), last.as_bytes());
        let differ = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let end = |name: &[u8]| {
            let digits = name[differ.min(name.len())..].iter();
            differ.min(name.len()) + digits.take_while(|c| c.is_ascii_digit()).count()
        };
        (first.get(..end(a)).unwrap_or(first), last.get(..end(b)).unwrap_or(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_fold_and_other_rows_do_not() {
        let names = ["in", "b.0.x", "b.0.y", "b.1.x", "b.1.y", "b.2.x", "b.2.y", "b.3.x", "out"];
        let lines: Vec<Vec<&str>> = names.iter().map(|&n| vec![n]).collect();
        let same = [""; 9];
        let expected = [
            Run { start: 0, period: 1, count: 1 },
            Run { start: 1, period: 2, count: 3 },
            Run { start: 7, period: 2, count: 1 },
        ];
        assert_eq!(runs(&lines, &same), expected);
        let mut other = same;
        other[6] = "wider";
        assert_eq!(runs(&lines, &other)[1], Run { start: 1, period: 2, count: 2 });
        assert_eq!(runs(&[], &[]), []);
    }

    #[test]
    fn stems_end_with_the_number_that_differs() {
        for (first, last, expected) in [
            ("block.0.residual", "block.11.residual", ("block.0", "block.11")),
            ("m.1.layers.10.q", "m.1.layers.19.q", ("m.1.layers.10", "m.1.layers.19")),
            ("fc1", "fc3", ("fc1", "fc3")),
            ("l.1.weight", "l.12.weight", ("l.1", "l.12")),
        ] {
            assert_eq!(Run::stems(first, last), expected);
        }
    }
}
