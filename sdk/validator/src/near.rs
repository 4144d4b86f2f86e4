//! The word that was probably meant.

/// The nearest of the candidates, where it is near: at most one edit for each three characters, two neighbours swapped
/// counting as one. The first wins among equals.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LENGTH_MAX: usize = 64;
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).take(LENGTH_MAX + 1).collect();
    let allowed = (word.len() / 3).max(usize::from(word.len() > 1));
    if word.len() > LENGTH_MAX {
        return None;
    }
    let mut best = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).take(LENGTH_MAX + 1).collect();
        if letters.len().abs_diff(word.len()) > allowed {
            continue;
        }
        let distance = distance(&word, &letters);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["required", "extensible", "preferred"];
        assert_eq!(nearest("requierd", words), Some("required"));
        assert_eq!(nearest("Prefered", words), Some("preferred"));
        assert_eq!((nearest("any", words), nearest("", words), nearest(&"x".repeat(1000), words)), (None, None, None));
        assert_eq!(nearest("性別", ["性别", "姓名"]), Some("性别"));
    }
}
