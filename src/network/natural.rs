//! Natural order of names: runs of digits compare as numbers, so `layers.2` < `layers.10`.

use std::cmp::Ordering;

/// Compares two names in natural order.
///
/// A total order: names that differ only in leading zeros (`a.1`, `a.01`) fall back to the order
/// of their bytes.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    while let (Some(&i), Some(&j)) = (x.first(), y.first()) {
        let ordering = if i.is_ascii_digit() && j.is_ascii_digit() {
            number(&mut x).cmp(&number(&mut y))
        } else {
            (x, y) = (&x[1..], &y[1..]);
            i.cmp(&j)
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}

/// Takes the leading run of digits: its length without leading zeros, then those digits, which
/// together order numbers of any size.
fn number<'a>(rest: &mut &'a [u8]) -> (usize, &'a [u8]) {
    let end = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    let (digits, tail) = rest.split_at(end);
    *rest = tail;
    let zeros = digits.iter().take_while(|&&c| c == b'0').count();
    (end - zeros, &digits[zeros..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_compare_as_numbers() {
        let sorted = [
            "fc.weight",
            "fc1.weight",
            "fc2.weight",
            "fc10.weight",
            "layers.2.mlp.10.weight",
            "layers.10.mlp.2.weight",
            "layers.18446744073709551616.weight",
            "layers.18446744073709551617.weight",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    #[test]
    fn leading_zeros_break_ties_only() {
        assert_eq!(compare("a.01", "a.1"), Ordering::Less);
        assert_eq!(compare("a.01.z", "a.1.b"), Ordering::Greater);
    }

    proptest! {
        #[test]
        fn is_a_total_order(names in prop::collection::vec("[a.0-2/~]{0,6}", 3)) {
            let [a, b, c] = [&names[0], &names[1], &names[2]];
            prop_assert_eq!(compare(a, b), compare(b, a).reverse());
            prop_assert_eq!(compare(a, b).is_eq(), a == b);
            if compare(a, b).is_le() && compare(b, c).is_le() {
                prop_assert!(compare(a, c).is_le());
            }
        }
    }
}
