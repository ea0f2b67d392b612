//! What a stop rule watches, and wants to rise.

use crate::stop::StopRule;

/// Analysed values after that of step 0 from which on it is said that a quantity only falls.
const VALUES: usize = 3;

/// A quantity that a stop rule wants to rise, and whether it ever has.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    quantity: String,
    first: Option<f64>,
    later: usize,
    risen: bool,
}

impl Watched {
    /// Those of a rule: of the computed quantities, the ones that are best when highest.
    pub(super) fn of(rule: Option<&StopRule>, computed: &[&str]) -> Vec<Self> {
        let wanted = rule.map(StopRule::quantities_to_rise).unwrap_or_default();
        let one =
            |name: &str| Self { quantity: name.to_owned(), first: None, later: 0, risen: false };
        wanted.into_iter().filter(|name| computed.contains(name)).map(one).collect()
    }

    pub(super) fn quantity(&self) -> &str {
        &self.quantity
    }

    /// Takes the next value; gives a warning where the quantity has been below its first value ever
    /// since.
    pub(super) fn add(&mut self, value: f64) -> Option<String> {
        let Some(first) = self.first else {
            self.first = Some(value);
            return None;
        };
        self.later += 1;
        self.risen |= value >= first;
        let quantity = &self.quantity;
        (!self.risen && self.later >= VALUES).then(|| {
            format!(
                "{quantity} has been below its value at step 0 ever since, and the stop rule waits for it to rise"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        Watched { quantity: "E".to_owned(), first: None, later: 0, risen: false }
    }

    #[test]
    fn three_values_below_the_first_are_said_to_fall() {
        let mut e = watched();
        let said = [0.0, -0.1, -0.3, -0.2, -0.4].map(|value| e.add(value).is_some());
        assert_eq!(said, [false, false, false, true, true]);
    }

    #[test]
    fn what_has_risen_once_does_not_only_fall() {
        let mut e = watched();
        let said = [0.0, -0.1, 0.1, -0.2, -0.4, -0.5].map(|value| e.add(value).is_some());
        assert_eq!(said, [false; 6]);
    }

    #[test]
    fn rules_that_want_a_rise() {
        let of = |rule: StopRule| {
            let watched = Watched::of(Some(&rule), &["E", "E_stable"]);
            watched.into_iter().map(|watched| watched.quantity).collect::<Vec<_>>()
        };
        let max = |name: &str| StopRule::on(name).max().patience(3);
        assert_eq!(of(max("E").and(max("loss"))), ["E"]);
        assert_eq!(of(max("E").or(StopRule::on("E_stable").min().patience(3))), ["E"]);
        assert!(Watched::of(None, &["E"]).is_empty());
    }
}
