//! Ids and opaque tokens, all made from the number of the request, so that equal runs give equal bytes.

/// `prefix` and 24 letters and digits, as the vendors' ids look.
pub(super) fn id(prefix: &str, number: u64, salt: u64) -> String {
    let mut id = String::with_capacity(prefix.len() + 24);
    id.push_str(prefix);
    letters(&mut id, 24, number, salt, 62);
    id
}

/// A token in base64, for signatures and encrypted reasoning.
pub(super) fn opaque(prefix: &str, number: u64, salt: u64) -> String {
    let mut token = String::with_capacity(OPAQUE_LENGTH);
    token.push_str(prefix);
    let length = OPAQUE_LENGTH - prefix.len();
    letters(&mut token, length, number, salt, 64);
    token
}

fn letters(out: &mut String, count: usize, number: u64, salt: u64, base: u64) {
    let mut state = number
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(salt.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let mut left = 0;
    for _ in 0..count {
        if left == 0 {
            state = mix(state);
            left = LETTERS_PER_WORD;
        }
        left -= 1;
        let at = usize::try_from((state >> (left * 6)) % base).unwrap_or(0);
        out.push(ALPHABET.get(at).map_or('0', |letter| char::from(*letter)));
    }
}

/// The finaliser of SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/";
const LETTERS_PER_WORD: u32 = 10;
/// A multiple of four, as base64 without padding is: Google's SDK decodes signatures.
const OPAQUE_LENGTH: usize = 120;
