//! Models for tasks other than conversations: audio, images, embeddings, reranking.
use super::{gemini, openai, others};
use crate::catalog::price::{MediaRates, by_piece, by_token, uncached_writes};
use crate::catalog::row::{Row, Source, row};
use crate::catalog::terms::Terms;
use crate::catalog::units::UnitRates;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    // OpenAI: audio, images, embeddings.
    row(&["gpt-audio", "gpt-audio-1.5"], openai::PRICING).costs(by_token(uncached_writes(2.5, 2.5, 10.0), &Terms::NONE).media(MediaRates::audio(32.0, 64.0))),
    row(&["gpt-audio-mini"], openai::PRICING).costs(by_token(uncached_writes(0.6, 0.6, 2.4), &Terms::NONE).media(MediaRates::audio(10.0, 20.0))),
    row(&["gpt-4o-audio-preview"], openai::PRICING).costs(by_token(uncached_writes(2.5, 2.5, 10.0), &Terms::NONE).media(MediaRates::audio(40.0, 80.0))),
    row(&["gpt-4o-mini-audio-preview"], openai::PRICING).costs(by_token(uncached_writes(0.15, 0.15, 0.6), &Terms::NONE).media(MediaRates::audio(10.0, 20.0))),
    row(&["gpt-4o-transcribe", "gpt-4o-transcribe-diarize"], openai::PRICING).costs(by_token(uncached_writes(2.5, 2.5, 10.0), &Terms::NONE).units(UnitRates::audio_minute(0.006))),
    row(&["gpt-4o-mini-transcribe"], openai::PRICING).costs(by_token(uncached_writes(1.25, 1.25, 5.0), &Terms::NONE).units(UnitRates::audio_minute(0.003))),
    row(&["whisper-1"], openai::PRICING).costs(by_piece(UnitRates::audio_minute(0.006), &Terms::NONE)),
    row(&["gpt-transcribe"], openai::PRICING).costs(by_piece(UnitRates::audio_minute(0.0045), &Terms::NONE)),
    row(&["tts-1", "tts-1-1106"], openai::PRICING).costs(by_piece(UnitRates::characters(15.0), &Terms::NONE)),
    row(&["tts-1-hd", "tts-1-hd-1106"], openai::PRICING).costs(by_piece(UnitRates::characters(30.0), &Terms::NONE)),
    // The source also has a price of 10 for text output, but all output of this model is audio.
    row(&["gpt-4o-mini-tts"], openai::PRICING).costs(by_token(uncached_writes(0.6, 0.6, 12.0), &Terms::NONE)),
    row(&["dall-e-3"], RETIRED).costs(by_piece(UnitRates::image(0.04, &[("hd", 0.08), ("1024x1792", 0.08), ("1792x1024", 0.08), ("hd 1024x1792", 0.12), ("hd 1792x1024", 0.12)]), &Terms::NONE)),
    row(&["dall-e-2"], RETIRED).costs(by_piece(UnitRates::image(0.02, &[("512x512", 0.018), ("256x256", 0.016)]), &Terms::NONE)),
    // The prices per image apply if a server states no tokens. An image of unknown quality counts as one of medium
    // quality.
    row(&["gpt-image-1"], openai::PRICING).costs(by_token(uncached_writes(5.0, 1.25, 40.0), &BATCH).media(MediaRates::seen(10.0, 40.0)).units(UnitRates::image(0.042, &[("low", 0.011), ("high", 0.167), ("low 1024x1536", 0.016), ("low 1536x1024", 0.016), ("medium 1024x1536", 0.063), ("medium 1536x1024", 0.063), ("high 1024x1536", 0.25), ("high 1536x1024", 0.25)]))),
    row(&["gpt-image-1-mini"], openai::PRICING).costs(by_token(uncached_writes(2.0, 0.2, 8.0), &BATCH).media(MediaRates::seen(2.5, 8.0)).units(UnitRates::image(0.011, &[("low", 0.005), ("low 1024x1536", 0.006), ("low 1536x1024", 0.006), ("medium 1024x1536", 0.015), ("medium 1536x1024", 0.015)]))),
    row(&["gpt-image-1.5"], openai::PRICING).costs(by_token(uncached_writes(5.0, 1.25, 32.0), &BATCH).media(MediaRates::seen(8.0, 32.0)).units(UnitRates::image(0.034, &[("low", 0.009), ("high", 0.133), ("low 1024x1536", 0.013), ("low 1536x1024", 0.013), ("medium 1024x1536", 0.05), ("medium 1536x1024", 0.05), ("high 1024x1536", 0.2), ("high 1536x1024", 0.2)]))),
    row(&["text-embedding-3-small"], openai::PRICING).costs(by_token(uncached_writes(0.02, 0.02, 0.0), &BATCH)),
    row(&["text-embedding-3-large"], openai::PRICING).costs(by_token(uncached_writes(0.13, 0.13, 0.0), &BATCH)),
    row(&["text-embedding-ada-002"], openai::PRICING).costs(by_token(uncached_writes(0.1, 0.1, 0.0), &Terms::NONE)),
    row(&["omni-moderation-latest", "omni-moderation"], openai::PRICING).costs(by_token(uncached_writes(0.0, 0.0, 0.0), &Terms::NONE)),
    // Google: images, charged per image.
    row(&["imagen-3.0-generate-001"], gemini::PRICING).costs(by_piece(UnitRates::image(0.04, &[]), &Terms::NONE)),
    row(&["imagen-3.0-fast-generate-001"], gemini::PRICING).costs(by_piece(UnitRates::image(0.02, &[]), &Terms::NONE)),
    row(&["imagen-3.0-generate-002"], RETIRED).costs(by_piece(UnitRates::image(0.03, &[]), &Terms::NONE)),
    row(&["imagen-4.0-generate-001"], RETIRED).costs(by_piece(UnitRates::image(0.04, &[]), &Terms::NONE)),
    row(&["imagen-4.0-fast-generate-001"], RETIRED).costs(by_piece(UnitRates::image(0.02, &[]), &Terms::NONE)),
    row(&["imagen-4.0-ultra-generate-001"], RETIRED).costs(by_piece(UnitRates::image(0.06, &[]), &Terms::NONE)),
    // OpenAI's videos, charged per second.
    row(&["sora-2"], openai::PRICING).costs(by_piece(UnitRates::video_second(0.1, &[]), &Terms::NONE)),
    row(&["sora-2-pro"], openai::PRICING).costs(by_piece(UnitRates::video_second(0.3, &[("1024x1792", 0.5), ("1792x1024", 0.5)]), &Terms::NONE)),
    // Reranking.
    row(&["rerank-v3.5", "rerank-v4.0-fast"], others::PRICING).costs(by_piece(UnitRates::searches(2.0), &Terms::NONE)),
    row(&["rerank-v4.0-pro"], others::PRICING).costs(by_piece(UnitRates::searches(2.5), &Terms::NONE)),
    row(&["rerank-v5.0-fast"], others::PRICING).costs(by_token(uncached_writes(0.02, 0.02, 0.0), &Terms::NONE)),
    row(&["rerank-v5.0-pro"], others::PRICING).costs(by_token(uncached_writes(0.05, 0.05, 0.0), &Terms::NONE)),
    row(&["rerank-2.5", "rerank-3"], others::PRICING).costs(by_token(uncached_writes(0.05, 0.05, 0.0), &Terms::NONE)),
    row(&["rerank-2.5-lite", "rerank-3-lite"], others::PRICING).costs(by_token(uncached_writes(0.02, 0.02, 0.0), &Terms::NONE)),
    row(&["jina-reranker-v3.5", "jina-reranker-m0", "jina-reranker-v2-base-multilingual"], others::PRICING).costs(by_token(uncached_writes(0.05, 0.05, 0.0), &Terms::NONE)),
    // Other vendors: audio and images.
    row(&["voxtral-mini-latest", "voxtral-mini-2602"], others::PRICING).costs(by_piece(UnitRates::audio_minute(0.003), &Terms::NONE)),
    row(&["voxtral-mini-tts-2603"], others::PRICING).costs(by_piece(UnitRates::characters(16.0), &Terms::NONE)),
    row(&["grok-imagine-image"], others::PRICING).costs(by_piece(UnitRates::image(0.02, &[]), &Terms::NONE)),
    row(&["grok-imagine-image-quality", "grok-imagine-image-quality-latest", "grok-imagine-image-pro"], others::PRICING).costs(by_piece(UnitRates::image(0.05, &[]), &Terms::NONE)),
    row(&["grok-imagine-image-2.0"], others::PRICING).costs(by_piece(UnitRates::image(0.06, &[("1k", 0.04), ("2k", 0.06)]), &Terms::NONE)),
];

/// Batches of images and embeddings cost half. Source: developers.openai.com pricing.
const BATCH: Terms = Terms {
    tiers: &[("batch", 0.5)],
    ..Terms::NONE
};

const RETIRED: Source = Source {
    text: "OpenAI's and Google's pricing pages until the models were retired, 2026",
    as_of: "2026-11",
};
