//! Whatever is presented as a key. See `cargo xtask fuzz`.

use bolero::check;

use super::*;

/// What a key may be made of: the input's first 64 bytes, again and again, but none that no key is made of.
fn minted(input: &[u8]) -> MintedKey {
    let mut turn = 0_u8;
    MintedKey::mint(Environment::Sandbox, || {
        turn = turn.wrapping_add(1);
        std::array::from_fn(|index| input.get(index).copied().unwrap_or_default().wrapping_add(turn))
    })
}

#[test]
fn what_is_presented_is_a_key_of_the_published_form_or_is_refused_and_no_key_survives_a_change() {
    check!(name = "key_parsing").with_iterations(20_000).for_each(|input: &[u8]| {
        if let Ok(text) = std::str::from_utf8(input) {
            let parsed = PresentedKey::parse(text);
            assert_eq!(parsed, PresentedKey::parse(text));
            if let Ok(key) = parsed {
                assert_eq!(text.len(), key_prefix(key.environment).len() + 48, "{text:?}");
                assert!(text.starts_with(&display_prefix(key.environment, &key.public_id)), "{text:?}");
                assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{text:?}");
            }
        }
        let key = minted(input);
        let presented = PresentedKey::parse(key.reveal()).expect("a minted key is one");
        assert_eq!(presented, key.presented());
        let [place, with, ..] = *input else { return };
        let mut changed = key.reveal().as_bytes().to_vec();
        let index = usize::from(place) % changed.len();
        let with = with % 0x80;
        let was = std::mem::replace(changed.get_mut(index).expect("it is within"), with);
        let changed = String::from_utf8(changed).expect("ASCII is text");
        assert_eq!(PresentedKey::parse(&changed).is_ok(), was == with, "{changed:?}");
    });
}
