//! Claude models on Bedrock, by their names there.
//!
//! From Claude 4.5 on, an inference profile of one region (`us.`, `eu.`, `apac.`, `au.`, `jp.`) costs a tenth more than
//! the global one, and `us-gov.` a fifth more. Sonnet 4 and 4.5 have a threshold for long prompts that Anthropic itself
//! no longer has. The rules for names remove the release date and Bedrock's version (`-20250929-v1:0`).
use crate::catalog::price::{by_token, rates};
use crate::catalog::row::{Row, Source, row};
use crate::catalog::terms::Terms;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row(&["anthropic.claude-3-5-haiku", "eu.anthropic.claude-3-5-haiku", "us.anthropic.claude-3-5-haiku"], MAP).costs(by_token(rates(0.8, 1.0, 1.6, 0.08, 4.0), &TERMS)),
    row(&["anthropic.claude-3-5-sonnet", "anthropic.claude-3-7-sonnet", "anthropic.claude-sonnet-4-6", "eu.anthropic.claude-3-5-sonnet", "eu.anthropic.claude-3-7-sonnet", "global.anthropic.claude-sonnet-4-6", "us.anthropic.claude-3-5-sonnet", "us.anthropic.claude-3-7-sonnet"], MAP).costs(by_token(rates(3.0, 3.75, 6.0, 0.3, 15.0), &TERMS)),
    row(&["anthropic.claude-3-7-sonnet-20240620-v1:0"], MAP).costs(by_token(rates(3.6, 4.5, 7.2, 0.36, 18.0), &TERMS)),
    row(&["anthropic.claude-3-opus", "anthropic.claude-opus-4-1", "anthropic.claude-opus-4", "eu.anthropic.claude-3-opus", "eu.anthropic.claude-opus-4-1", "eu.anthropic.claude-opus-4", "us.anthropic.claude-3-opus", "us.anthropic.claude-opus-4-1", "us.anthropic.claude-opus-4"], MAP).costs(by_token(rates(15.0, 18.75, 30.0, 1.5, 75.0), &TERMS)),
    row(&["anthropic.claude-fable-5", "global.anthropic.claude-fable-5"], MAP).costs(by_token(rates(10.0, 12.5, 20.0, 1.0, 50.0), &TERMS)),
    row(&["anthropic.claude-fable-5-1", "anthropic.claude-mythos-5-1", "global.anthropic.claude-fable-5-1", "global.anthropic.claude-mythos-5-1"], MAP).costs(by_token(rates(10.0, 12.5, 20.0, 0.25, 50.0), &TERMS)),
    row(&["anthropic.claude-haiku-4-5", "global.anthropic.claude-haiku-4-5"], MAP).costs(by_token(rates(1.0, 1.25, 2.0, 0.1, 5.0), &TERMS)),
    row(&["anthropic.claude-haiku-5-5", "global.anthropic.claude-haiku-5-5"], MAP).costs(by_token(rates(0.1, 0.125, 0.2, 0.01, 0.5), &TERMS).above(100_000, rates(0.5, 0.625, 1.0, 0.05, 2.5))),
    row(&["anthropic.claude-instant-v1"], MAP).costs(by_token(rates(0.8, 0.8, 0.8, 0.8, 2.4), &TERMS)),
    row(&["anthropic.claude-mythos-preview", "apac.anthropic.claude-mythos-preview", "au.anthropic.claude-mythos-preview", "us.anthropic.claude-mythos-preview"], MAP).costs(by_token(rates(27.5, 34.375, 55.0, 2.75, 137.5), &TERMS)),
    row(&["anthropic.claude-opus-4-5", "anthropic.claude-opus-4-6", "anthropic.claude-opus-4-7", "anthropic.claude-opus-4-8", "anthropic.claude-opus-5", "global.anthropic.claude-opus-4-5", "global.anthropic.claude-opus-4-6", "global.anthropic.claude-opus-4-7", "global.anthropic.claude-opus-4-8", "global.anthropic.claude-opus-5"], MAP).costs(by_token(rates(5.0, 6.25, 10.0, 0.5, 25.0), &TERMS)),
    row(&["anthropic.claude-opus-5-5", "global.anthropic.claude-opus-5-5"], MAP).costs(by_token(rates(4.0, 5.0, 8.0, 0.2, 20.0), &TERMS)),
    row(&["anthropic.claude-sonnet-4", "anthropic.claude-sonnet-4-5", "apac.anthropic.claude-sonnet-4", "eu.anthropic.claude-sonnet-4", "global.anthropic.claude-sonnet-4", "global.anthropic.claude-sonnet-4-5", "us.anthropic.claude-sonnet-4"], MAP).costs(by_token(rates(3.0, 3.75, 6.0, 0.3, 15.0), &TERMS).above(200_000, rates(6.0, 7.5, 12.0, 0.6, 22.5))),
    row(&["anthropic.claude-sonnet-5", "global.anthropic.claude-sonnet-5"], MAP).costs(by_token(rates(2.0, 2.5, 4.0, 0.2, 10.0), &TERMS)),
    row(&["anthropic.claude-sonnet-5-5", "global.anthropic.claude-sonnet-5-5"], MAP).costs(by_token(rates(2.0, 2.5, 4.0, 0.1, 10.0), &TERMS)),
    row(&["anthropic.claude-v1", "anthropic.claude-v2:1"], MAP).costs(by_token(rates(8.0, 8.0, 8.0, 8.0, 24.0), &TERMS)),
    row(&["apac.anthropic.claude-fable-5", "au.anthropic.claude-fable-5", "eu.anthropic.claude-fable-5", "us.anthropic.claude-fable-5", "us.anthropic.claude-mythos-5"], MAP).costs(by_token(rates(11.0, 13.75, 22.0, 1.1, 55.0), &TERMS)),
    row(&["apac.anthropic.claude-haiku-4-5", "au.anthropic.claude-haiku-4-5", "eu.anthropic.claude-haiku-4-5", "jp.anthropic.claude-haiku-4-5", "us.anthropic.claude-haiku-4-5"], MAP).costs(by_token(rates(1.1, 1.375, 2.2, 0.11, 5.5), &TERMS)),
    row(&["apac.anthropic.claude-haiku-5-5", "au.anthropic.claude-haiku-5-5", "eu.anthropic.claude-haiku-5-5", "jp.anthropic.claude-haiku-5-5", "us.anthropic.claude-haiku-5-5"], MAP).costs(by_token(rates(0.11, 0.1375, 0.22, 0.011, 0.55), &TERMS).above(100_000, rates(0.55, 0.6875, 1.1, 0.055, 2.75))),
    row(&["apac.anthropic.claude-opus-4-7", "apac.anthropic.claude-opus-4-8", "apac.anthropic.claude-opus-5", "au.anthropic.claude-opus-4-6", "au.anthropic.claude-opus-4-7", "au.anthropic.claude-opus-4-8", "au.anthropic.claude-opus-5", "eu.anthropic.claude-opus-4-5", "eu.anthropic.claude-opus-4-6", "eu.anthropic.claude-opus-4-7", "eu.anthropic.claude-opus-4-8", "eu.anthropic.claude-opus-5", "jp.anthropic.claude-opus-4-7", "jp.anthropic.claude-opus-4-8", "jp.anthropic.claude-opus-5", "us.anthropic.claude-opus-4-5", "us.anthropic.claude-opus-4-6", "us.anthropic.claude-opus-4-7", "us.anthropic.claude-opus-4-8", "us.anthropic.claude-opus-5"], MAP).costs(by_token(rates(5.5, 6.875, 11.0, 0.55, 27.5), &TERMS)),
    row(&["apac.anthropic.claude-opus-5-5", "au.anthropic.claude-opus-5-5", "eu.anthropic.claude-opus-5-5", "jp.anthropic.claude-opus-5-5", "us.anthropic.claude-opus-5-5"], MAP).costs(by_token(rates(4.4, 5.5, 8.8, 0.22, 22.0), &TERMS)),
    row(&["apac.anthropic.claude-sonnet-4-6", "au.anthropic.claude-sonnet-4-6", "eu.anthropic.claude-sonnet-4-6", "jp.anthropic.claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-6"], MAP).costs(by_token(rates(3.3, 4.125, 6.6, 0.33, 16.5), &TERMS)),
    row(&["apac.anthropic.claude-sonnet-5", "au.anthropic.claude-sonnet-5", "eu.anthropic.claude-sonnet-5", "jp.anthropic.claude-sonnet-5", "us.anthropic.claude-sonnet-5"], MAP).costs(by_token(rates(2.2, 2.75, 4.4, 0.22, 11.0), &TERMS)),
    row(&["apac.anthropic.claude-sonnet-5-5", "au.anthropic.claude-sonnet-5-5", "eu.anthropic.claude-sonnet-5-5", "jp.anthropic.claude-sonnet-5-5", "us.anthropic.claude-sonnet-5-5"], MAP).costs(by_token(rates(2.2, 2.75, 4.4, 0.11, 11.0), &TERMS)),
    row(&["au.anthropic.claude-sonnet-4-5", "eu.anthropic.claude-sonnet-4-5", "jp.anthropic.claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5"], MAP).costs(by_token(rates(3.3, 4.125, 6.6, 0.33, 16.5), &TERMS).above(200_000, rates(6.6, 8.25, 13.2, 0.66, 24.75))),
    row(&["eu.anthropic.claude-fable-5-1", "us.anthropic.claude-fable-5-1", "us.anthropic.claude-mythos-5-1"], MAP).costs(by_token(rates(11.0, 13.75, 22.0, 0.275, 55.0), &TERMS)),
    row(&["us-gov.anthropic.claude-fable-5-1"], MAP).costs(by_token(rates(12.0, 15.0, 24.0, 0.3, 60.0), &TERMS)),
    row(&["us-gov.anthropic.claude-haiku-5-5"], MAP).costs(by_token(rates(0.12, 0.15, 0.24, 0.012, 0.6), &TERMS).above(100_000, rates(0.6, 0.75, 1.2, 0.06, 3.0))),
    row(&["us-gov.anthropic.claude-opus-4-8", "us-gov.anthropic.claude-opus-5"], MAP).costs(by_token(rates(6.0, 7.5, 12.0, 0.6, 30.0), &TERMS)),
    row(&["us-gov.anthropic.claude-opus-5-5"], MAP).costs(by_token(rates(4.8, 6.0, 9.6, 0.24, 24.0), &TERMS)),
    row(&["us-gov.anthropic.claude-sonnet-4-5"], MAP).costs(by_token(rates(3.6, 4.5, 7.2, 0.36, 18.0), &TERMS).above(200_000, rates(7.2, 9.0, 14.4, 0.72, 27.0))),
    row(&["us-gov.anthropic.claude-sonnet-5"], MAP).costs(by_token(rates(2.4, 3.0, 4.8, 0.24, 12.0), &TERMS)),
    row(&["us-gov.anthropic.claude-sonnet-5-5"], MAP).costs(by_token(rates(2.4, 3.0, 4.8, 0.12, 12.0), &TERMS)),
];

const TERMS: Terms = Terms {
    tiers: &[("batch", 0.5)],
    ..Terms::NONE
};

const MAP: Source = Source {
    text: "LiteLLM 1.110.2 price map, citing Bedrock's pricing page, 2026-11",
    as_of: "2026-11",
};
