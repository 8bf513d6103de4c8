//! Ids and opaque tokens, all made from the number of the request, so that equal runs give equal bytes.

/// `prefix` and 24 letters and digits, as the vendors' ids look.
pub(super) fn id(prefix: &str, number: u64, salt: u64) -> String {
    let mut id = String::with_capacity(prefix.len() + ID_LENGTH);
    id.push_str(prefix);
    letters(&mut id, ID_LENGTH, number, salt, LETTERS);
    id
}

/// A token in base64, for signatures and encrypted reasoning.
pub(super) fn opaque(prefix: &str, number: u64, salt: u64) -> String {
    let mut token = String::with_capacity(OPAQUE_LENGTH);
    token.push_str(prefix);
    let length = OPAQUE_LENGTH - prefix.len();
    letters(&mut token, length, number, salt, BASE64);
    token
}

fn letters(out: &mut String, count: usize, number: u64, salt: u64, alphabet: &[u8; 64]) {
    let mut state = number
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(salt.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let mut left = 0;
    let mut word = 0;
    for _ in 0..count {
        if left == 0 {
            state = mix(state);
            (word, left) = (state, LETTERS_PER_WORD);
        }
        out.push(char::from(alphabet[(word & 63) as usize]));
        word >>= 6;
        left -= 1;
    }
}

/// The finaliser of SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// Letters and digits; two of them twice, which spares a division.
const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzZz";
const BASE64: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/";
const ID_LENGTH: usize = 24;
const LETTERS_PER_WORD: u32 = 10;
/// A multiple of four, as base64 without padding is: Google's SDK decodes signatures.
const OPAQUE_LENGTH: usize = 120;
