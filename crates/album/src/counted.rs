//! Numbers as people write them. In: a number and what is counted. Out: `1 photo`, `1,234 photos`.

/// `1 photo`, `2 photos`.
pub fn counted(n: usize, one: &str, more: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{} {more}", thousands(n)),
    }
}

/// `12,345`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_long_numbers_have_commas() {
        assert_eq!(counted(0, "face", "faces"), "0 faces");
        assert_eq!(counted(1, "face", "faces"), "1 face");
        assert_eq!(counted(1_234_567, "face", "faces"), "1,234,567 faces");
    }
}
