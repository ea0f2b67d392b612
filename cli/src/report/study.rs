//! A comparison of stop rules as tables for a terminal, and as CSV.

use std::fmt::Write;

use super::align::{align, widths};
use super::table::{Shown, fitting};
use neuromfa::internals::backtest::{Estimate, Measures, RunStop, SETTINGS, Standing, Study, Test};
use neuromfa::internals::record::{Format, csv_text, number};

/// Columns of the table; those of a high rank are left out first where it is too wide, of rank 0 never.
const COLUMNS: [(&str, u8); 10] = [
    ("rank", 0),
    ("rule", 0),
    ("cost %", 2),
    ("regret %", 0),
    ("95 %", 1),
    ("saved %", 0),
    ("worse %", 3),
    ("wins %", 4),
    ("beats", 0),
    ("loses", 5),
];

/// The rules, the cheapest first: a table that fits into `width` characters, the regret in each family, and
/// what the words mean.
pub fn study(study: &Study, width: usize) -> String {
    let mut text = heading(study);
    let mut lines = vec![COLUMNS.map(|(name, _)| name.to_owned()).to_vec()];
    lines.extend(study.standings.iter().map(line));
    let place = |(_, rank)| Shown { at: 0, how: Format::Plain, rank };
    let kept = fitting(&COLUMNS.map(place), &widths(&lines), width);
    let cells = |line: &Vec<String>| kept.iter().map(|&k| line[k].clone()).collect();
    align(&mut text, &lines.iter().map(cells).collect::<Vec<_>>());
    text += "\nregret % in each family\n";
    by_family(&mut text, study, width);
    text += &legend(study);
    not_judged(&mut text, study, width);
    text
}

fn heading(study: &Study) -> String {
    let runs: usize = study.families.iter().map(|family| family.runs).sum();
    let families = match study.families.len() {
        1 => "1 family".to_owned(),
        n => format!("{n} families"),
    };
    let smooth = match study.smooth {
        1 => String::new(),
        n => format!(", mean of {n} evaluations"),
    };
    format!(
        "{runs} runs in {families}; rules tuned on {}\njudged by {}{smooth}\n\n",
        study.tuned_on, study.judge
    )
}

fn percent(value: f64) -> String {
    format!("{:.1}", 100.0 * value)
}

fn line(standing: &Standing) -> Vec<String> {
    let Measures { cost, regret, saved, worse, wins, .. } = &standing.all;
    let interval = |[low, high]: [f64; 2]| format!("{} to {}", percent(low), percent(high));
    let tests = &standing.tests;
    let of = |is: fn(&Test) -> bool| tests.iter().filter(|test| is(test)).count();
    vec![
        standing.rank.map_or_else(String::new, |rank| rank.to_string()),
        name(standing),
        percent(cost.value),
        percent(regret.value),
        regret.interval.map(interval).unwrap_or_default(),
        if standing.stopped == 0 { "never".to_owned() } else { percent(saved.value) },
        percent(worse.value),
        wins.map(|wins| percent(wins.value)).unwrap_or_default(),
        if standing.baseline {
            String::new()
        } else {
            format!("{} of {}", of(Test::better), tests.len())
        },
        if standing.baseline { String::new() } else { of(Test::worse).to_string() },
    ]
}

fn name(standing: &Standing) -> String {
    format!("{}{}", standing.rule, if standing.baseline { " *" } else { "" })
}

/// A column for each family, as many as fit.
fn by_family(text: &mut String, study: &Study, width: usize) {
    let mut lines = vec![vec!["rule".to_owned()]];
    lines[0].extend(study.families.iter().map(|family| family.name.clone()));
    for standing in &study.standings {
        let families = standing.families.iter().map(|family| percent(family.regret.value));
        lines.push(std::iter::once(name(standing)).chain(families).collect());
    }
    let shown = |k| Shown { at: 0, how: Format::Plain, rank: u8::from(k > 0) };
    let shown: Vec<Shown> = (0..lines[0].len()).map(shown).collect();
    let kept = fitting(&shown, &widths(&lines), width);
    let cells = |line: &Vec<String>| kept.iter().map(|&k| line[k].clone()).collect();
    align(text, &lines.iter().map(cells).collect::<Vec<_>>());
    let hidden: Vec<&str> = (1..lines[0].len())
        .filter(|k| !kept.contains(k))
        .map(|k| study.families[k - 1].name.as_str())
        .collect();
    if !hidden.is_empty() {
        let _ = writeln!(text, "too wide for this terminal: {} (--csv)", hidden.join(", "));
    }
}

fn legend(study: &Study) -> String {
    let worse = percent(study.epsilon);
    let price = percent(study.full_cost);
    format!(
        "
cost    regret, and {price} % for all steps of a run; rules are ranked by it
regret  judged loss at the stop less the lowest, % of what training gains
worse   share of runs more than {worse} % above their full budget
wins    share of runs with a lower regret than patience 3 on the validation loss
beats   baselines (*) and random stops that cost more, p < 0.05 (Holm, {} tests)
Each rule that is tuned has {SETTINGS} settings. Intervals are over seeds, not tasks.
",
        study.standings.iter().map(|standing| standing.tests.len()).sum::<usize>()
    )
}

/// The rules that were left out, by the reason.
fn not_judged(text: &mut String, study: &Study, width: usize) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (rule, why) in &study.not_judged {
        match reasons.iter_mut().find(|(other, _)| other == why) {
            Some((_, rules)) => rules.push(rule),
            None => reasons.push((why, vec![rule])),
        }
    }
    for (why, rules) in reasons {
        let mut line = format!("not judged, {why}:");
        for (k, rule) in rules.iter().enumerate() {
            let end = if k + 1 < rules.len() { "," } else { "" };
            if line.chars().count() + rule.chars().count() + 2 > width {
                let _ = writeln!(text, "{line}");
                line = " ".to_owned();
            }
            let _ = write!(line, " {rule}{end}");
        }
        let _ = writeln!(text, "{line}");
    }
}

/// One line for each rule and family, and for all families; tests of the difference in cost.
pub fn study_csv(study: &Study) -> Vec<u8> {
    let measures = ["cost", "regret", "against_end", "saved", "worse", "wins", "timing"];
    let mut head = ["rank", "rule", "baseline", "family", "setting"].map(str::to_owned).to_vec();
    let with_ends = |name: &str| ["", "_low", "_high"].map(|end| format!("{name}{end}"));
    head.extend(measures.iter().flat_map(|name| with_ends(name)));
    let tests = study.standings.iter().find(|standing| !standing.tests.is_empty());
    let against: Vec<String> = tests
        .iter()
        .flat_map(|standing| &standing.tests)
        .map(|test| test.against.replace(' ', "_"))
        .collect();
    for name in &against {
        head.extend(with_ends(&format!("less_{name}")));
        head.push(format!("p_{name}"));
    }
    let mut lines = vec![head];
    for standing in &study.standings {
        let all = std::iter::once(("all", &standing.all));
        let families = study.families.iter().map(|family| family.name.as_str());
        for (family, measures) in all.chain(families.zip(&standing.families)) {
            let setting = standing.settings.iter().find(|(name, _)| name == family);
            let mut line = vec![
                standing.rank.map(|rank| rank.to_string()).unwrap_or_default(),
                standing.rule.clone(),
                standing.baseline.to_string(),
                family.to_owned(),
                setting.map(|(_, words)| words.clone()).unwrap_or_default(),
            ];
            let Measures { cost, regret, against_end, saved, worse, wins, timing } = measures;
            for value in [Some(cost), Some(regret), Some(against_end), Some(saved), Some(worse)] {
                line.extend(estimate(value));
            }
            line.extend(estimate(wins.as_ref()));
            line.extend(estimate(Some(timing)));
            let tests = if family == "all" { standing.tests.as_slice() } else { &[] };
            for k in 0..against.len() {
                line.extend(estimate(tests.get(k).map(|test| &test.difference)));
                line.push(tests.get(k).map(|test| number(test.p_holm)).unwrap_or_default());
            }
            lines.push(line);
        }
    }
    csv_text(&lines)
}

fn estimate(estimate: Option<&Estimate>) -> [String; 3] {
    let ends = estimate.and_then(|estimate| estimate.interval);
    let values = [
        estimate.map(|estimate| estimate.value),
        ends.map(|[low, _]| low),
        ends.map(|[_, high]| high),
    ];
    values.map(|value| value.map(number).unwrap_or_default())
}

/// One line for each rule and run.
pub fn study_runs_csv(study: &Study) -> Vec<u8> {
    let columns = [
        "rule",
        "baseline",
        "family",
        "group",
        "run",
        "setting",
        "stop",
        "saved",
        "loss",
        "regret",
        "against_end",
    ];
    let mut lines = vec![columns.map(str::to_owned).to_vec()];
    for standing in &study.standings {
        for stop in &standing.stops {
            let RunStop { family, group, run, setting, stop, saved, loss, regret, against_end } =
                stop;
            let [saved, loss, regret, against_end] =
                [saved, loss, regret, against_end].map(|value| number(*value));
            lines.push(vec![
                standing.rule.clone(),
                standing.baseline.to_string(),
                family.clone(),
                group.clone(),
                run.display().to_string(),
                setting.clone(),
                stop.map(|step| step.to_string()).unwrap_or_default(),
                saved,
                loss,
                regret,
                against_end,
            ]);
        }
    }
    csv_text(&lines)
}
