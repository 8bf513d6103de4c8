//! The prices of Mistral's models. A name that ends in four digits is a model of its own here, not a release of the
//! model without them.
use super::others::{PRICING, RETIRED};
use crate::catalog::price::{by_token, uncached_writes};
use crate::catalog::row::{Row, row};
use crate::catalog::terms::Terms;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row(&["mistral-large-latest", "mistral-large-3", "mistral-large-2512"], PRICING).costs(by_token(uncached_writes(0.5, 0.05, 1.5), &Terms::NONE)),
    row(&["mistral-large-4", "mistral-large-4-0"], PRICING).costs(by_token(uncached_writes(0.7, 0.07, 2.1), &Terms::NONE)),
    row(&["mistral-large-2411", "pixtral-large-2411"], RETIRED).costs(by_token(uncached_writes(2.0, 2.0, 6.0), &Terms::NONE)),
    row(&["mistral-large-2407"], RETIRED).costs(by_token(uncached_writes(3.0, 3.0, 9.0), &Terms::NONE)),
    row(&["mistral-large-2402"], RETIRED).costs(by_token(uncached_writes(4.0, 4.0, 12.0), &Terms::NONE)),
    row(&["mistral-medium", "mistral-medium-latest", "mistral-medium-3", "mistral-medium-3.5", "mistral-medium-2604", "magistral-medium-latest", "mistral-vibe-cli-latest", "mistral-vibe-cli-with-tools"], PRICING).costs(by_token(uncached_writes(1.5, 0.15, 7.5), &Terms::NONE)),
    row(&["mistral-medium-2505", "mistral-medium-2508", "mistral-medium-3-1-2508"], RETIRED).costs(by_token(uncached_writes(0.4, 0.4, 2.0), &Terms::NONE)),
    row(&["mistral-medium-2312"], RETIRED).costs(by_token(uncached_writes(2.7, 2.7, 8.1), &Terms::NONE)),
    row(&["mistral-small-latest", "mistral-small-2603", "magistral-small-latest", "mistral-vibe-cli-fast"], PRICING).costs(by_token(uncached_writes(0.15, 0.015, 0.6), &Terms::NONE)),
    row(&["mistral-small"], PRICING).costs(by_token(uncached_writes(0.1, 0.01, 0.3), &Terms::NONE)),
    row(&["mistral-tiny"], PRICING).costs(by_token(uncached_writes(0.25, 0.025, 0.25), &Terms::NONE)),
    row(&["magistral-medium-2506", "magistral-medium-2509"], RETIRED).costs(by_token(uncached_writes(2.0, 2.0, 5.0), &Terms::NONE)),
    row(&["magistral-small-2506"], RETIRED).costs(by_token(uncached_writes(0.5, 0.5, 1.5), &Terms::NONE)),
    row(&["codestral-latest", "codestral-2508", "mistral-code-latest", "mistral-code-fim-latest"], PRICING).costs(by_token(uncached_writes(0.3, 0.03, 0.9), &Terms::NONE)),
    row(&["codestral-2405"], RETIRED).costs(by_token(uncached_writes(1.0, 1.0, 3.0), &Terms::NONE)),
    row(&["codestral-mamba-latest"], PRICING).costs(by_token(uncached_writes(0.25, 0.025, 0.25), &Terms::NONE)),
    row(&["devstral-latest", "devstral-medium-latest", "mistral-code-agent-latest"], PRICING).costs(by_token(uncached_writes(0.4, 0.04, 2.0), &Terms::NONE)),
    row(&["devstral-medium-2507"], RETIRED).costs(by_token(uncached_writes(0.4, 0.4, 2.0), &Terms::NONE)),
    row(&["devstral-small-latest"], PRICING).costs(by_token(uncached_writes(0.1, 0.01, 0.3), &Terms::NONE)),
    row(&["devstral-small-2505", "devstral-small-2507"], RETIRED).costs(by_token(uncached_writes(0.1, 0.1, 0.3), &Terms::NONE)),
    row(&["ministral-14b-latest", "ministral-14b-2512", "ministral-3-14b-2512"], PRICING).costs(by_token(uncached_writes(0.2, 0.02, 0.2), &Terms::NONE)),
    row(&["ministral-8b-latest", "ministral-8b-2512", "ministral-3-8b-2512"], PRICING).costs(by_token(uncached_writes(0.15, 0.015, 0.15), &Terms::NONE)),
    row(&["ministral-3b-latest", "ministral-3b-2512", "ministral-3-3b-2512"], PRICING).costs(by_token(uncached_writes(0.1, 0.01, 0.1), &Terms::NONE)),
    row(&["pixtral-large-latest"], PRICING).costs(by_token(uncached_writes(2.0, 0.2, 6.0), &Terms::NONE)),
    row(&["pixtral-12b-2409"], RETIRED).costs(by_token(uncached_writes(0.15, 0.15, 0.15), &Terms::NONE)),
    row(&["open-mistral-nemo", "open-mistral-nemo-2407"], PRICING).costs(by_token(uncached_writes(0.3, 0.03, 0.3), &Terms::NONE)),
    row(&["mistral-embed", "mistral-embed-2312"], PRICING).costs(by_token(uncached_writes(0.1, 0.1, 0.0), &Terms::NONE)),
    row(&["codestral-embed", "codestral-embed-2505"], PRICING).costs(by_token(uncached_writes(0.15, 0.015, 0.0), &Terms::NONE)),
];
