//! The log of the Hugging Face trainer: `log_history` of trainer_state.json.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// The numbers that were logged, by step, in their order; the first of each name.
pub(crate) type Logged = BTreeMap<u64, Vec<(String, f64)>>;

/// What trainer_state.json says was logged.
///
/// Python writes NaN and the infinities as bare words, which JSON does not have; they are read as
/// numbers. Empty, with a warning, if the file cannot be read.
pub(super) fn logged(path: &Path) -> Logged {
    let state = match state(path) {
        Ok(state) => state,
        Err(why) => {
            tracing::warn!("{}: {why}: skipped", path.display());
            return Logged::new();
        }
    };
    let mut logged = Logged::new();
    for entry in state["log_history"].as_array().into_iter().flatten() {
        let (Some(step), Some(entry)) = (entry["step"].as_u64(), entry.as_object()) else {
            continue;
        };
        let at: &mut Vec<(String, f64)> = logged.entry(step).or_default();
        for (name, value) in entry.iter().filter_map(|(n, v)| Some((n, number(v)?))) {
            if name != "step" && !at.iter().any(|(earlier, _)| earlier == name) {
                at.push((name.clone(), value));
            }
        }
    }
    logged
}

/// The step at which trainer_state.json was written.
pub(super) fn global_step(path: &Path) -> Option<u64> {
    path.is_file().then(|| state(path).ok()?["global_step"].as_u64()).flatten()
}

fn state(path: &Path) -> Result<Value, String> {
    let text = std::fs::read(path).map_err(|e| e.to_string())?;
    serde_json::from_slice(&quoted_words(&text)).map_err(|e| e.to_string())
}

/// The words that are not valid JSON, with their values.
const WORDS: [(&str, f64); 3] =
    [("NaN", f64::NAN), ("-Infinity", f64::NEG_INFINITY), ("Infinity", f64::INFINITY)];

pub(super) fn number(value: &Value) -> Option<f64> {
    let word = |text: &str| WORDS.iter().find(|(word, _)| *word == text).map(|(_, number)| *number);
    value.as_f64().or_else(|| value.as_str().and_then(word))
}

/// The text with [`WORDS`] quoted where they are outside of strings.
pub(super) fn quoted_words(text: &[u8]) -> Cow<'_, [u8]> {
    let mut quoted = Vec::new();
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while at < text.len() {
        let word = WORDS.iter().find(|(w, _)| !in_string && text[at..].starts_with(w.as_bytes()));
        match (text[at], word) {
            (_, Some((word, _))) => {
                quoted.extend_from_slice(&text[copied..at]);
                quoted.extend_from_slice(format!("\"{word}\"").as_bytes());
                at += word.len();
                copied = at;
                continue;
            }
            (b'\\', _) if in_string => at += 1,
            (b'"', _) => in_string = !in_string,
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    quoted.extend_from_slice(&text[copied..]);
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_20(text: &str) -> Vec<(String, f64)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trainer_state.json");
        std::fs::write(&path, text).unwrap();
        logged(&path).remove(&20).unwrap_or_default()
    }

    #[test]
    fn the_numbers_of_the_step_are_taken() {
        let state = r#"{"global_step": 20, "log_history": [{"loss": 3.0, "step": 10},
            {"loss": 2.5, "lr": 1e-3, "note": "x", "step": 20}, {"eval_loss": 2.7, "step": 20}]}"#;
        let expected = [("loss", 2.5), ("lr", 1e-3), ("eval_loss", 2.7)];
        assert_eq!(at_20(state), expected.map(|(n, v)| (n.to_owned(), v)));
        assert_eq!(at_20("{\"log_history\": 3}"), []);
        assert_eq!(at_20("not json"), []);
    }

    #[test]
    fn pythons_words_for_numbers_are_read_and_strings_stay() {
        let state = r#"{"best_metric": NaN, "log_history": [{"loss": NaN, "lr": 1e-3,
            "low": -Infinity, "high":Infinity, "note": "it was NaN, \"Infinity\"", "step": 20}]}"#;
        let found = at_20(state);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["loss", "lr", "low", "high"]);
        assert!(found[0].1.is_nan());
        assert_eq!([found[1].1, found[2].1, found[3].1], [1e-3, f64::NEG_INFINITY, f64::INFINITY]);
        let string = br#"{"a": "NaN \\", "b": "\" NaN"}"#;
        assert!(matches!(quoted_words(string), Cow::Borrowed(_)));
    }
}
