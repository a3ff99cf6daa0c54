//! How deep arrays and objects of a JSON text are in one another, found without going down: one pass over the bytes, whatever
//! they are nested in.

/// Where a JSON value is deeper than it may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TooDeep {
    /// Somewhere in it.
    Within,
    /// In the element of this index: the value is an array.
    Element(usize),
}

/// Whether `json` could be deeper than `depth_max`, told from its brackets alone, those in strings among them. All that honest
/// requests pay for.
pub(crate) fn may_exceed(json: &str, depth_max: usize) -> bool {
    depth_max < json.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count()
}

/// Where `json`, which is valid, is first deeper than `depth_max`.
pub(crate) fn excess(json: &str, depth_max: usize) -> Option<TooDeep> {
    let is_array = json.starts_with('[');
    let (mut depth, mut element) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b',' if depth == 1 => element += 1,
            b'{' | b'[' => {
                depth += 1;
                if depth_max < depth {
                    return Some(if is_array { TooDeep::Element(element) } else { TooDeep::Within });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_where_they_nest_and_not_where_they_follow_or_are_text() {
        let beside = format!("[{}]", ["[]"; 100].join(","));
        assert_eq!(excess(&beside, 2), None);
        assert_eq!(excess(r#"{"a":"[[[[[\"[[[[["}"#, 1), None);
        assert_eq!(excess(r#"{"a":"\\","b":[]}"#, 1), Some(TooDeep::Within));
        assert_eq!(excess("5", 0), None);
        assert_eq!(excess("[]", 0), Some(TooDeep::Element(0)));
    }

    #[test]
    fn the_element_of_an_array_that_is_too_deep_is_told() {
        assert_eq!(excess(r#"[1,{"a":[1,2,3]},[[[]]]]"#, 3), Some(TooDeep::Element(2)));
        assert_eq!(excess(r#"[1,{"a":[1,2,3]},[[[]]]]"#, 4), None);
    }

    #[test]
    fn a_hundred_thousand_brackets_are_one_pass() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(may_exceed(&deep, 64));
        assert_eq!(excess(&deep, 64), Some(TooDeep::Element(0)));
        assert_eq!(excess(&deep, 100_000), None);
        assert!(!may_exceed(r#"{"a":[1]}"#, 2));
    }
}
