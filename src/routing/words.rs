//! The words of a text, as the routers compare them.

/// The words, in lower case. What is no letter and no digit stands between two.
pub(super) fn words(text: &str) -> Vec<String> {
    let parts = text.split(|char: char| !char.is_alphanumeric());
    parts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Whether these words stand in a text, one after the other.
pub(super) fn has(text: &[String], phrase: &[String]) -> bool {
    !phrase.is_empty() && text.windows(phrase.len()).any(|window| window == phrase)
}
