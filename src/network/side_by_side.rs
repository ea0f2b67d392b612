//! What speaks against a chain of matrices whose widths chain: names of things that stand side by
//! side, and an order that rests on names alone.

use std::collections::HashMap;

use super::link::{Link, doubted, successive};
use super::select::Matrix;

/// Words of two sides that never follow each other.
const SIDES: [[&str; 2]; 19] = [
    ["left", "right"],
    ["l", "r"],
    ["online", "target"],
    ["student", "teacher"],
    ["actor", "critic"],
    ["policy", "value"],
    ["action", "value"],
    ["action", "critic"],
    ["policy", "critic"],
    ["pi", "vf"],
    ["pi", "v"],
    ["user", "item"],
    ["query", "doc"],
    ["text", "image"],
    ["mu", "logvar"],
    ["mean", "var"],
    ["mean", "std"],
    ["generator", "discriminator"],
    ["current", "target"],
];

/// Words of things next to the chain, not in it.
const ASIDE: [&str; 17] = [
    "gate", "gates", "gating", "skip", "shortcut", "residual", "expert", "experts", "ema",
    "momentum", "tower", "towers", "branch", "branches", "parallel", "aux", "highway",
];

/// Words whose numbers count things side by side (`q1`, `critic2`; `experts.0`).
const COPIES: [&str; 6] = ["q", "qf", "critic", "tower", "branch", "aspp"];
const LISTS: [&str; 14] = [
    "critics", "towers", "branches", "expert", "experts", "heads", "nets", "models", "members",
    "ensemble", "learners", "agents", "streams", "paths",
];

/// Words that name what comes first and what comes after it.
const ORDERED: [[&str; 2]; 9] = [
    ["down", "up"],
    ["encoder", "decoder"],
    ["enc", "dec"],
    ["input", "output"],
    ["in", "out"],
    ["first", "second"],
    ["first", "last"],
    ["pre", "post"],
    ["features", "classifier"],
];

/// Words of last layers.
const ENDS: [&str; 12] = [
    "out",
    "output",
    "head",
    "classifier",
    "fc",
    "linear",
    "final",
    "last",
    "logits",
    "score",
    "dense",
    "proj",
];

/// How many kinds of names are compared.
const KINDS: usize = 16;

/// A word, the number in it, and the number that is the next segment.
type Word = (String, Option<u32>, Option<u32>);

/// Lists that are chains by their names.
const CHAINS: [&str; 18] = [
    "layer",
    "layers",
    "block",
    "blocks",
    "net",
    "network",
    "mlp",
    "fc",
    "fcs",
    "hidden",
    "seq",
    "model",
    "features",
    "classifier",
    "encoder",
    "decoder",
    "main",
    "stages",
];

/// Why matrices do not stand one after the other, although their widths chain: by their names.
pub(super) fn against(links: &[Link<'_>]) -> Option<String> {
    let words: Vec<Vec<Word>> = links.iter().map(|l| words(&l.matrix)).collect();
    let everywhere = |word: &str| words.iter().all(|words| has(words, word));
    let aside: Vec<&str> = ASIDE.into_iter().filter(|word| !everywhere(word)).collect();
    let mut reach: HashMap<usize, Vec<usize>> = HashMap::new(); // what leads to each layer
    for (k, link) in links.iter().enumerate() {
        reach.entry(link.target).or_default().push(k);
    }
    for (b, link) in links.iter().enumerate() {
        for &a in reach.get(&link.source).into_iter().flatten().filter(|&&a| a < b) {
            let [one, other] = [&words[a], &words[b]];
            let sides = SIDES.iter().any(|[x, y]| {
                let only = |w: &[Word], x: &str, y: &str| has(w, x) && !has(w, y);
                only(one, x, y) && only(other, y, x) || only(one, y, x) && only(other, x, y)
            });
            let next_to = aside.iter().any(|word| has(one, word) != has(other, word));
            let differ = |word: &str, listed: bool| {
                let number = |words: &[Word]| {
                    let own = words.iter().find(|(w, ..)| w == word);
                    own.and_then(|(_, inside, next)| inside.or(next.filter(|_| listed)))
                };
                matches!((number(one), number(other)), (Some(m), Some(n)) if m != n)
            };
            let heads = ["head", "heads"].iter().any(|w| has(one, w) && has(other, w))
                && bare(links[a].matrix.path()) != bare(link.matrix.path());
            let copies = heads
                || COPIES.iter().any(|word| differ(word, false))
                || LISTS.iter().any(|word| differ(word, true));
            // `b1`, `b3`, `b5`, each with the kernel of its number: branches.
            let sized = |l: &Link<'_>| {
                let path = l.matrix.path();
                let stem = path.trim_end_matches(|c: char| c.is_ascii_digit());
                let number = path[stem.len()..].parse::<usize>().ok()?;
                let kernel = l.matrix.shape().get(2..).filter(|k| !k.is_empty())?;
                kernel.iter().all(|n| *n == number).then_some(number)
            };
            let branches = matches!(
                (sized(&links[a]), sized(link)),
                (Some(m), Some(n)) if m != n
            );
            if sides || next_to || copies || branches {
                return Some(refusal(&links[a].matrix, &link.matrix));
            }
        }
    }
    gated(links)
}

fn refusal(one: &Matrix<'_>, other: &Matrix<'_>) -> String {
    format!(
        "by their names `{}` {:?} and `{}` {:?} stand side by side, although their widths chain",
        one.name(),
        one.shape(),
        other.name(),
        other.shape(),
    )
}

/// `w1` and `w3` of one module, with `w2` back from what they give.
fn gated(links: &[Link<'_>]) -> Option<String> {
    let named: HashMap<&str, &Link<'_>> = links.iter().map(|l| (l.matrix.path(), l)).collect();
    links.iter().find_map(|up| {
        let stem = up.matrix.path().strip_suffix("w1")?;
        let find = |last: &str| named.get(format!("{stem}{last}").as_str()).copied();
        let (down, gate) = (find("w2")?, find("w3")?);
        let [u, d, g] = [up, down, gate].map(|l| [l.matrix.inputs(), l.matrix.outputs()]);
        let back = u == g && d == [u[1], u[0]];
        let layers = up.matrix.reads.ends_with(".weight") || u[0] != u[1];
        (back && layers).then(|| refusal(&up.matrix, &gate.matrix))
    })
}

/// Says that the order of a chain rests on names where it could be another, or that only the widths of
/// its modules make it one.
pub(super) fn order_in_doubt(links: &[Link<'_>]) -> Option<String> {
    // tch numbers its variables as it makes them.
    if links.iter().all(|l| l.matrix.made.is_some() && l.matrix.parameter.made.is_none()) {
        return None;
    }
    let pair = of_one_shape(links).or_else(|| parallel_list(links)).or_else(|| after_square(links));
    let Some((a, b)) = pair else {
        let pair = two_modules(links)?;
        return Some(doubted(pair, "; their names do not show it"));
    };
    let [a, b] = [&a.matrix, &b.matrix];
    let by = if a.made.is_some() && b.made.is_some() { "the order of definition" } else { "names" };
    Some(format!(
        "The order is taken from {by}: check it with inspect. The shapes of `{}` {:?} and `{}` {:?} \
         would as well let them stand in the other order or side by side.",
        a.name(),
        a.shape(),
        b.name(),
        b.shape(),
    ))
}

/// Two links.
type Pair<'l, 'a> = (&'l Link<'a>, &'l Link<'a>);

/// Whether names say that one comes before the other.
fn in_order(a: &Link<'_>, b: &Link<'_>) -> bool {
    let [a, b] = [words(&a.matrix), words(&b.matrix)];
    ORDERED.iter().any(|[first, then]| has(&a, first) && has(&b, then))
}

fn shape(link: &Link<'_>) -> [usize; 2] {
    [link.matrix.inputs(), link.matrix.outputs()]
}

fn kept(link: &Link<'_>) -> bool {
    link.matrix.excluded.is_none()
}

/// Two matrices of one shape whose names differ by more than a number.
fn of_one_shape<'l, 'a>(links: &'l [Link<'a>]) -> Option<Pair<'l, 'a>> {
    // The first link of each shape and name without numbers: of one shape there are few.
    let mut kinds: HashMap<[usize; 2], Vec<&'l Link<'a>>> = HashMap::new();
    links.iter().filter(|link| kept(link)).find_map(|b| {
        let kinds = kinds.entry(shape(b)).or_default();
        let name = bare(b.matrix.path());
        if kinds.len() == KINDS || kinds.iter().any(|a| bare(a.matrix.path()) == name) {
            return None;
        }
        let like =
            |a: &&&'l Link<'a>| a.target != b.target && a.source != b.source && !in_order(a, b);
        let found = kinds.iter().find(like).map(|a| (*a, b));
        kinds.push(b);
        found
    })
}

/// Two of a list that may be parallel: it has no name of a chain.
fn parallel_list<'l, 'a>(links: &'l [Link<'a>]) -> Option<Pair<'l, 'a>> {
    let number = |link: &Link<'a>| {
        let (list, n) = link.matrix.path().rsplit_once('.')?;
        let list = list.rsplit('.').next().unwrap_or(list).to_ascii_lowercase();
        Some((list, n.parse::<u32>().ok()?))
    };
    successive(links).find(|(a, b)| match (number(a), number(b)) {
        (Some((list, m)), Some((other, n))) => {
            let chain = stems(&list).any(|word| CHAINS.contains(&word));
            list == other && n == m + 1 && shape(a) == shape(b) && !chain
        }
        _ => false,
    })
}

/// A square matrix and what follows it, which may as well read what that reads.
fn after_square<'l, 'a>(links: &'l [Link<'a>]) -> Option<Pair<'l, 'a>> {
    successive(links).find(|(a, b)| {
        let ends = words(&b.matrix).iter().any(|(w, ..)| ENDS.contains(&w.as_str()));
        let begins = has(&words(&a.matrix), "input");
        let differ = bare(a.matrix.path()) != bare(b.matrix.path());
        let square = a.matrix.is_square() && kept(a) && kept(b);
        square && differ && !ends && !begins && !in_order(a, b)
    })
}

/// Where a chain passes between two modules, one of which has several matrices, and whose names do not
/// say that they are parts of a chain.
fn two_modules<'l, 'a>(links: &'l [Link<'a>]) -> Option<Pair<'l, 'a>> {
    let top = |link: &Link<'a>| {
        link.matrix.path().split('.').next().unwrap_or_default().to_ascii_lowercase()
    };
    let mut sizes: HashMap<String, usize> = HashMap::new();
    links.iter().for_each(|link| *sizes.entry(top(link)).or_default() += 1);
    let known = |of: &str| stems(of).any(|word| CHAINS.contains(&word) || ENDS.contains(&word));
    successive(links).find(|&(a, b)| {
        let [one, next] = [top(a), top(b)];
        let unknown = kept(a) && kept(b) && !known(&one) && !known(&next) && !in_order(a, b);
        unknown && one != next && (sizes[&one] > 1 || sizes[&next] > 1)
    })
}

/// The words of a segment of a path, without the numbers at their ends.
fn stems(segment: &str) -> impl Iterator<Item = &str> {
    segment.split('_').map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// A path without numbers.
fn bare(path: &str) -> String {
    path.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect()
}

fn has(words: &[Word], word: &str) -> bool {
    words.iter().any(|(w, ..)| w == word)
}

/// The words of a path.
fn words(matrix: &Matrix<'_>) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for segment in matrix.path().split('.') {
        if let (Ok(number), Some((_, _, after))) = (segment.parse(), words.last_mut()) {
            after.get_or_insert(number);
            continue;
        }
        let segment = segment.to_ascii_lowercase();
        let of_chain = ["block", "layer", "stack", "unit"].iter().any(|s| segment.contains(s));
        for word in segment.split('_') {
            if let (Ok(number), Some((_, inside, _))) = (word.parse(), words.last_mut()) {
                inside.get_or_insert(number);
                continue;
            }
            let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
            if of_chain && matches!(stem, "residual" | "skip") {
                continue;
            }
            words.push((stem.to_owned(), word[stem.len()..].parse().ok(), None));
        }
    }
    words
}

/// Puts what is called `encoder` or `features` before what is called `decoder` or `classifier`, if
/// both are there.
pub(super) fn encoder_first(matrices: &mut [Matrix<'_>]) {
    let side = |m: &Matrix<'_>, words: [&str; 3]| {
        m.path()
            .split('.')
            .any(|segment| stems(&segment.to_ascii_lowercase()).any(|word| words.contains(&word)))
    };
    let encodes = |m: &Matrix<'_>| side(m, ["encoder", "enc", "features"]);
    let decodes = |m: &Matrix<'_>| side(m, ["decoder", "dec", "classifier"]);
    if matrices.iter().any(encodes) && matrices.iter().any(decodes) {
        matrices.sort_by_key(|m| if decodes(m) { 2 } else { usize::from(!encodes(m)) });
    }
}
