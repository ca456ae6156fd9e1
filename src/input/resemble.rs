//! How far apart two names are.

/// Letters to insert, delete or replace to make one of the other.
#[must_use]
pub fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.iter().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn letters_apart() {
        let table = [("", "", 0), ("abc", "", 3), ("abc", "abc", 0), ("abc", "abd", 1), ("kitten", "sitting", 3)];
        for (left, right, letters) in table {
            let of = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&of(left), &of(right)), letters, "{left} {right}");
            assert_eq!(distance(&of(right), &of(left)), letters, "{right} {left}");
        }
    }
}
