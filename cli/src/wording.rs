//! Messages of the library in the words of the command.

use regex_lite::Regex;

/// Patterns of ways out that are methods of the library, each with the option of the command.
const OPTIONS: [(&str, &str); 18] = [
    (r"\(resume\)", "(--resume)"),
    (r"\(\.resume\(\), --resume\)", "(--resume)"),
    (r"\(\.overwrite\(\), --overwrite\)", "(--overwrite)"),
    (r"\.numbered\(\) and --numbered take the next", "--numbered takes the next"),
    (r"\(without resume\)", "(without --resume)"),
    (r"\(overwrite\)", "(--overwrite)"),
    (r"folder, or overwrite\)", "folder, or with --overwrite)"),
    (r"\(allow_gaps; --allow-gaps\)", "(--allow-gaps)"),
    (r"\(exclude it\)", "(--exclude NAME)"),
    (r"\(include, --include\)", "(--include)"),
    (r"\.orient\([^)]*\), --orient", "--orient"),
    (
        r"put the network together with Network::builder\(\)",
        "describe the network in a file (--network)",
    ),
    (r"build it with Network::builder\(\)", "describe it in a file (--network)"),
    (r"network\(\.\.\) or network_file\(\.\.\) gives", "--network gives"),
    (r"min\(\) and max\(\)", "--mode"),
    // The command has no option for these.
    (r"(\. )?Parameters::min_edges lowers the limit", ""),
    (r": if they were loaded, call monitor\.rolled_back\([^)]*\) before the next step", ""),
    (r"; in a program, repair\(\) before the run is resumed", ""),
];

/// A message of the library, with the command's options instead of methods.
pub fn in_options(text: &str) -> String {
    OPTIONS.iter().fold(text.to_owned(), |text, (methods, options)| {
        let methods = Regex::new(methods).expect("a pattern");
        methods.replace_all(&text, *options).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn ways_out_are_options() {
        for (methods, options) in [
            (
                "If that is wrong: .orient(\"w\", Orientation::OutIn), --orient w=out-in.",
                "If that is wrong: --orient w=out-in.",
            ),
            (
                "at most 0.33 are kept. Parameters::min_edges lowers the limit",
                "at most 0.33 are kept",
            ),
            (
                "step 3 had others: if they were loaded, call monitor.rolled_back(2) before the next step",
                "step 3 had others",
            ),
            ("Resume it (.resume(), --resume), or", "Resume it (--resume), or"),
            ("replace it (overwrite)", "replace it (--overwrite)"),
        ] {
            assert_eq!(in_options(methods), options);
        }
    }

    /// No text of the library names an item of Rust to whoever uses the command.
    #[test]
    fn no_message_names_a_method() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
        let text = Regex::new(r#""((?:[^"\\\n]|\\[\s\S])*)""#).unwrap();
        let item = Regex::new(r"[A-Z]\w+::[a-z]\w*|\b[a-z]\w+\((\.\.)?\)|\bmonitor\.").unwrap();
        let (mut folders, mut read) = (vec![folder.clone()], 0);
        while let Some(within) = folders.pop() {
            for path in std::fs::read_dir(within).unwrap().map(|entry| entry.unwrap().path()) {
                // What only a loop says, and what PyTorch's users call.
                let elsewhere =
                    ["monitor", "group", "source/pytorch", "source/quantised.rs", "tests"];
                if elsewhere.iter().any(|end| path.ends_with(end)) {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let code = std::fs::read_to_string(&path).unwrap();
                let code = code.split("#[cfg(test)]").next().unwrap();
                let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                let code: Vec<&str> = code.collect();
                for found in text.captures_iter(&code.join("\n")) {
                    let found = found[1].replace("\\\n", " ");
                    let said = in_options(&found.split_whitespace().collect::<Vec<_>>().join(" "));
                    read += usize::from(said.contains(' '));
                    assert!(
                        !said.contains(' ') || !item.is_match(&said),
                        "{}: {said}",
                        path.display()
                    );
                }
            }
        }
        assert!(read > 300, "{read} texts");
    }
}
