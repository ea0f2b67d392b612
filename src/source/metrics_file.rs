//! A log of any trainer: CSV, or JSON lines, with a step in each row.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::SourceError;
use super::trainer_log::{Logged, number, quoted_words};

/// Objects within objects beyond which nothing is read.
const DEPTH: usize = 16;

/// Names of the column that has the step, in search order.
const STEPS: [&str; 9] = [
    "step",
    "global_step",
    "trainer/global_step",
    "_step",
    "iter",
    "iteration",
    "iter_num",
    "train_step",
    "steps",
];

/// The numbers in a file, by step, and what there is to say of it. Of two values for one step the last
/// counts, as after a resume of training from an earlier step.
///
/// A file that begins with `{` or `[` holds JSON: an object in each line, a list of objects, or one with such a
/// list under `log_history`. Objects in a row add their names, with a `/` between. Any other file is CSV.
///
/// # Errors
/// [`SourceError::File`] when it cannot be read, or no column is named as a step.
pub(crate) fn metrics(path: &Path) -> Result<(Logged, Vec<String>), SourceError> {
    let text = std::fs::read(path).map_err(|e| SourceError::file(path, e))?;
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let mut rows = Rows::default();
    let read = match text.get(start) {
        Some(b'{' | b'[') => rows.add_json(&text),
        _ => rows.add_csv(&text),
    };
    read.map_err(|why| SourceError::file(path, why))?;
    rows.keep_last();
    let said = rows.said().into_iter().map(|said| format!("{}: {said}", path.display()));
    let said = said.collect();
    Ok((rows.logged, said))
}

/// A step, which a table may have written as a float.
fn step(value: f64) -> Option<u64> {
    (value >= 0.0 && value.fract() == 0.0 && value < 2f64.powi(53)).then_some(value as u64)
}

/// The rows of a file so far.
#[derive(Default)]
struct Rows {
    logged: Logged,
    replaced: Seen,
    without_step: Seen,
    lists: Seen,
}

/// How often something is in a file, and where first, in words.
#[derive(Default)]
struct Seen {
    times: usize,
    first: String,
}

impl Seen {
    fn add(&mut self, place: impl FnOnce() -> String) {
        if self.times == 0 {
            self.first = place();
        }
        self.times += 1;
    }
}

impl Rows {
    fn said(&self) -> Vec<String> {
        let Self { replaced, without_step, lists, .. } = self;
        let counted = |seen: &Seen, one: &str, many: &str| {
            let Seen { times, first } = seen;
            let words = if *times == 1 { one } else { many };
            (*times > 0).then(|| format!("{times} {words}, the first {first}"))
        };
        let all = [
            counted(
                replaced,
                "value was logged again at the same step (the last one counts)",
                "values were logged again at the same step (the last one counts)",
            ),
            counted(
                without_step,
                "row has no step that can be read, and is left out",
                "rows have no step that can be read, and are left out",
            ),
            counted(lists, "list of values is left out", "lists of values are left out"),
        ];
        all.into_iter().flatten().collect()
    }

    fn add(&mut self, step: u64, name: &str, value: f64) {
        self.logged.entry(step).or_default().push((name.to_owned(), value));
    }

    /// Of the values of a step that have one name, keeps the last.
    fn keep_last(&mut self) {
        let replaced = &mut self.replaced;
        for (step, values) in &mut self.logged {
            let mut places: HashMap<String, usize> = HashMap::with_capacity(values.len());
            let mut kept: Vec<(String, f64)> = Vec::with_capacity(values.len());
            for (name, value) in std::mem::take(values) {
                match places.get(&name) {
                    None => {
                        places.insert(name.clone(), kept.len());
                        kept.push((name, value));
                    }
                    Some(&at) => {
                        let earlier = &mut kept[at].1;
                        if *earlier != value && !(earlier.is_nan() && value.is_nan()) {
                            replaced.add(|| format!("{name:?} at step {step}"));
                            *earlier = value;
                        }
                    }
                }
            }
            *values = kept;
        }
    }

    fn add_json(&mut self, text: &[u8]) -> Result<(), String> {
        let list = match serde_json::from_slice(&quoted_words(text)) {
            Ok(Value::Array(rows)) => Some(rows),
            Ok(Value::Object(mut state)) => match state.remove("log_history") {
                Some(Value::Array(rows)) => Some(rows),
                _ => None,
            },
            _ => None,
        };
        match list {
            Some(rows) => (rows.iter().enumerate())
                .for_each(|(k, row)| self.add_row(row, || format!("entry {}", k + 1))),
            None => self.add_lines(text)?,
        }
        match self.logged.is_empty() {
            true => Err(format!("no row has a step: one of {}", STEPS.join(", "))),
            false => Ok(()),
        }
    }

    fn add_lines(&mut self, text: &[u8]) -> Result<(), String> {
        let end = text.as_ptr_range().end;
        for (k, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(&quoted_words(line)) {
                Ok(row) => self.add_row(&row, || format!("in line {}", k + 1)),
                // The last line of a file that is being written to.
                Err(_) if k > 0 && line.as_ptr_range().end == end => {}
                Err(e) => return Err(format!("line {} is no JSON object: {e}", k + 1)),
            }
        }
        Ok(())
    }

    fn add_row(&mut self, row: &Value, place: impl Fn() -> String) {
        let mut numbers = Vec::new();
        self.flatten("", row, 0, &mut numbers, &place);
        let of = |wanted: &&str| numbers.iter().position(|(name, _)| name == wanted);
        let column = STEPS.iter().find_map(of);
        let Some((column, step)) = column.and_then(|k| Some((k, step(numbers[k].1)?))) else {
            return self.without_step.add(place);
        };
        for (_, (name, value)) in numbers.iter().enumerate().filter(|(k, _)| *k != column) {
            self.add(step, name, *value);
        }
    }

    /// The numbers in a row, by name.
    fn flatten(
        &mut self,
        name: &str,
        value: &Value,
        depth: usize,
        numbers: &mut Vec<(String, f64)>,
        place: &impl Fn() -> String,
    ) {
        match value {
            Value::Object(entries) if depth < DEPTH => {
                for (key, value) in entries {
                    let name = if depth == 0 { key.clone() } else { format!("{name}/{key}") };
                    self.flatten(&name, value, depth + 1, numbers, place);
                }
            }
            Value::Array(_) if depth > 0 => self.lists.add(|| format!("{name:?} {}", place())),
            value if depth > 0 => {
                numbers.extend(number(value).map(|value| (name.to_owned(), value)))
            }
            _ => {}
        }
    }

    fn add_csv(&mut self, text: &[u8]) -> Result<(), String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
        let names = reader.headers().map_err(|e| e.to_string())?;
        let names: Vec<String> = names.iter().map(|n| n.trim().to_owned()).collect();
        let named = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let column = STEPS.iter().find_map(|wanted| named(wanted)).ok_or_else(|| {
            format!("none of its columns is a step ({}); they are {names:?}", STEPS.join(", "))
        })?;
        for row in reader.records() {
            let row = row.map_err(|e| e.to_string())?;
            let value = |k: usize| row.get(k).and_then(|cell| cell.trim().parse::<f64>().ok());
            let Some(step) = value(column).and_then(step) else {
                let line = row.position().map_or(0, csv::Position::line);
                let cell = row.get(column).unwrap_or_default();
                self.without_step.add(|| format!("in line {line}: {cell:?}"));
                continue;
            };
            for (k, name) in names.iter().enumerate().filter(|(k, _)| *k != column) {
                if let Some(value) = value(k) {
                    self.add(step, name, value);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Logged, String> {
        both(text).map(|(logged, _)| logged)
    }

    fn both(text: &str) -> Result<(Logged, String), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let (logged, said) = metrics(file.path()).map_err(|e| e.to_string())?;
        Ok((logged, said.join("\n")))
    }

    #[test]
    fn tables_and_lines_of_json_are_joined_by_step() {
        let expected = Logged::from([
            (7, vec![("loss".to_owned(), 2.5), ("lr".to_owned(), 0.1)]),
            (14, vec![("loss".to_owned(), 2.0)]),
        ]);
        let csv = "time,Step,loss,lr\nx,7,2.5,0.1\ny,14,2.0,\n,,3,3\n";
        let lines = "{\"loss\": 2.5, \"lr\": 0.1, \"global_step\": 7, \"note\": \"x\"}\n\
                     {\"global_step\": 14.0, \"loss\": 2}\n{\"note\": 1}\n{\"global_st";
        assert_eq!(read(csv).unwrap(), expected);
        assert_eq!(read(lines).unwrap(), expected);
        let word = read("{\"step\": 1, \"loss\": NaN}\n").unwrap();
        assert!(word[&1][0].1.is_nan());
        assert!(read("epoch,loss\n1,2\n").unwrap_err().contains("none of its columns is a step"));
        assert!(read("{\"loss\": 1}\n").unwrap_err().contains("no row has a step"));
        assert!(read("{\"step\": 1}\nx\n{\"step\": 2}\n").unwrap_err().contains("line 2"));
    }

    fn at(step: u64, values: &[(&str, f64)]) -> (u64, Vec<(String, f64)>) {
        (step, values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
    }

    #[test]
    fn objects_in_a_row_add_their_names_and_lists_are_said() {
        let expected = Logged::from([at(3, &[("train/loss", 2.0), ("train/lr/0", 0.5)])]);
        let row = r#"{"trainer": {"global_step": 3}, "train": {"loss": 2, "lr": {"0": 0.5}, "hist": [1, 2]}}"#;
        let (found, said) = both(row).unwrap();
        assert_eq!(found, expected);
        assert!(
            said.ends_with("1 list of values is left out, the first \"train/hist\" in line 1"),
            "{said}"
        );
        // A list of rows, in any layout; the state of a trainer.
        let listed = format!("[\n{row},\n{{\"note\": 1}}]");
        let (found, said) = both(&listed).unwrap();
        assert_eq!(found, expected);
        assert!(
            said.contains("1 row has no step that can be read, and is left out, the first entry 2"),
            "{said}"
        );
        assert_eq!(read(&format!("{{\"log_history\":\n[{row}]}}")).unwrap(), expected);
        let deep = format!(
            "{{\"step\": 1, \"b\": 2, \"a\": {}1{}}}",
            "{\"a\":".repeat(60),
            "}".repeat(60)
        );
        assert_eq!(read(&deep).unwrap(), Logged::from([at(1, &[("b", 2.0)])]));
    }

    #[test]
    fn steps_that_cannot_be_read_are_counted() {
        let (found, said) = both("step,loss\n1,3\nten,2\n2.5,2\n,2\n-1,2\n20,1\n").unwrap();
        assert_eq!(found, Logged::from([at(1, &[("loss", 3.0)]), at(20, &[("loss", 1.0)])]));
        assert!(said.contains("4 rows have no step that can be read"), "{said}");
        assert!(said.ends_with("the first in line 3: \"ten\""), "{said}");
        let (_, said) = both("{\"step\": 1, \"a\": 2}\n{\"step\": \"x\", \"a\": 2}\n").unwrap();
        assert!(said.contains("1 row has no step") && said.ends_with("in line 2"), "{said}");
    }

    #[test]
    fn of_two_values_for_a_step_the_last_counts() {
        let text =
            "step,loss,epoch\n1,3,0.5\n2,2.5,0.5\n2,NaN,0.5\n1,2.75,0.5\n2,2,0.5\n3,NaN,\n3,NaN,\n";
        let (found, said) = both(text).unwrap();
        assert_eq!(found[&1], at(1, &[("loss", 2.75), ("epoch", 0.5)]).1);
        assert_eq!(found[&2], at(2, &[("loss", 2.0), ("epoch", 0.5)]).1);
        assert!(
            said.contains("3 values were logged again at the same step (the last one counts)"),
            "{said}"
        );
        assert!(said.ends_with("the first \"loss\" at step 1"), "{said}");
        assert_eq!(both("step,loss\n1,3\n").unwrap().1, "");
    }
}
