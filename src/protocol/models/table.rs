//! The rows: the beginning of a model's name, and what it accepts.
use super::{Capabilities, LOW_TO_HIGH, Modes, Reasoning, Sampling, Traits};
use crate::protocol::models::effort::Effort::{High, Low, Max, Medium, Minimal, Xhigh};
use crate::protocol::models::effort::Efforts;

/// A model that no row knows.
pub const PLAIN: Capabilities = Capabilities {
    context: 128_000,
    max_output: 8_192,
    sampling: Sampling::Any,
    stops: 4,
    reasoning: NO_REASONING,
    traits: Traits::FORCED_TOOLS,
};

/// Claude before 4.5: a budget or nothing, everything else allowed.
const CLAUDE_OLD: Capabilities = Capabilities {
    context: 200_000,
    max_output: 64_000,
    sampling: Sampling::Unless,
    stops: MANY,
    reasoning: Reasoning {
        modes: Modes::BUDGET.and(Modes::OFF),
        efforts: Efforts::NONE,
        default_on: false,
        hidden: false,
    },
    traits: PLAIN.traits.and(Traits::PREFILL),
};

const CLAUDE_4_5: Capabilities = Capabilities {
    sampling: Sampling::One,
    traits: CLAUDE_OLD.traits.and(Traits::STRUCTURED),
    ..CLAUDE_OLD
};

const CLAUDE_4_6: Capabilities = Capabilities {
    context: 1_000_000,
    max_output: 128_000,
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE.and(Modes::BUDGET).and(Modes::OFF),
        efforts: Efforts::of(&[Low, Medium, High, Max]),
        default_on: false,
        hidden: false,
    },
    traits: CLAUDE_4_5.traits.without(Traits::PREFILL),
    ..CLAUDE_4_5
};

/// Claude from 4.7 on: no sampling parameters, no budgets, reasoning hidden unless asked for.
const CLAUDE_4_7: Capabilities = Capabilities {
    sampling: Sampling::Refused,
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE.and(Modes::OFF),
        efforts: CLAUDE_EFFORTS,
        default_on: false,
        hidden: true,
    },
    ..CLAUDE_4_6
};

const CLAUDE_5: Capabilities = Capabilities {
    reasoning: Reasoning {
        default_on: true,
        ..CLAUDE_4_7.reasoning
    },
    ..CLAUDE_4_7
};

/// Always reasons.
const CLAUDE_FABLE: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE,
        ..CLAUDE_5.reasoning
    },
    traits: CLAUDE_5.traits.and(Traits::SYSTEM_IN_TURNS),
    ..CLAUDE_5
};

/// Always reasons, and refuses to be forced to a tool.
const CLAUDE_UNFORCED: Capabilities = Capabilities {
    traits: CLAUDE_FABLE.traits.without(Traits::FORCED_TOOLS),
    ..CLAUDE_FABLE
};

/// OpenAI before reasoning.
const GPT_4: Capabilities = Capabilities {
    max_output: 16_384,
    ..PLAIN
};

const O_SERIES: Capabilities = Capabilities {
    context: 200_000,
    max_output: 100_000,
    sampling: Sampling::Refused,
    stops: 0,
    reasoning: Reasoning {
        modes: Modes::NONE,
        efforts: LOW_TO_HIGH,
        default_on: true,
        hidden: true,
    },
    ..PLAIN
};

const GPT_5: Capabilities = Capabilities {
    context: 400_000,
    max_output: 128_000,
    reasoning: Reasoning {
        efforts: Efforts::of(&[Minimal, Low, Medium, High]),
        ..O_SERIES.reasoning
    },
    ..O_SERIES
};

const GPT_5_1: Capabilities = Capabilities {
    sampling: Sampling::RefusedWhileReasoning,
    reasoning: Reasoning {
        modes: Modes::OFF,
        efforts: LOW_TO_HIGH,
        default_on: false,
        hidden: true,
    },
    ..GPT_5
};

const GPT_5_2: Capabilities = Capabilities {
    reasoning: Reasoning {
        efforts: Efforts::of(&[Low, Medium, High, Xhigh]),
        ..GPT_5_1.reasoning
    },
    ..GPT_5_1
};

/// From here on function tools and reasoning together need Responses.
const GPT_5_4: Capabilities = Capabilities {
    context: 1_050_000,
    traits: PLAIN.traits.and(Traits::TOOLS_NEED_RESPONSES),
    ..GPT_5_2
};

const GPT_5_5: Capabilities = Capabilities {
    reasoning: Reasoning {
        default_on: true,
        ..GPT_5_4.reasoning
    },
    ..GPT_5_4
};

/// Explicit cache breakpoints, effort up to `max`.
const GPT_5_6: Capabilities = Capabilities {
    reasoning: Reasoning {
        efforts: Efforts::of(&[Low, Medium, High, Xhigh, Max]),
        ..GPT_5_5.reasoning
    },
    traits: GPT_5_5.traits.and(Traits::BREAKPOINTS),
    ..GPT_5_5
};

/// Cannot switch reasoning off.
const GPT_6_ASTRA: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::NONE,
        ..GPT_5_6.reasoning
    },
    ..GPT_5_6
};

/// Open models that always or optionally think, over Chat.
const THINKING: Capabilities = Capabilities {
    context: 262_144,
    max_output: 65_536,
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE.and(Modes::OFF),
        efforts: LOW_TO_HIGH,
        default_on: true,
        hidden: false,
    },
    ..PLAIN
};

/// Kimi thinks at a fixed temperature.
const KIMI: Capabilities = Capabilities {
    sampling: Sampling::RefusedWhileReasoning,
    ..THINKING
};

const GEMINI_2_5: Capabilities = Capabilities {
    context: 1_048_576,
    max_output: 65_536,
    stops: 5,
    reasoning: Reasoning {
        modes: Modes::BUDGET.and(Modes::OFF).and(Modes::ADAPTIVE),
        efforts: Efforts::NONE,
        default_on: true,
        hidden: true,
    },
    ..PLAIN
};

/// Cannot switch reasoning off.
const GEMINI_2_5_PRO: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::BUDGET.and(Modes::ADAPTIVE),
        ..GEMINI_2_5.reasoning
    },
    ..GEMINI_2_5
};

/// Levels instead of budgets.
const GEMINI_3: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE,
        efforts: Efforts::of(&[Minimal, Low, Medium, High]),
        default_on: true,
        hidden: true,
    },
    ..GEMINI_2_5
};

const GEMINI_3_PRO: Capabilities = Capabilities {
    reasoning: Reasoning {
        efforts: Efforts::of(&[Low, High]),
        ..GEMINI_3.reasoning
    },
    ..GEMINI_3
};

/// By the beginning of the name; the longest wins.
#[rustfmt::skip]
pub const ROWS: &[(&str, Capabilities)] = &[
    ("claude-", CLAUDE_5),
    (
        "claude-2",
        Capabilities {
            context: 200_000,
            max_output: 4_096,
            reasoning: NO_REASONING,
            ..CLAUDE_OLD
        },
    ),
    (
        "claude-3",
        Capabilities {
            max_output: 8_192,
            reasoning: NO_REASONING,
            ..CLAUDE_OLD
        },
    ),
    ("claude-3-7", CLAUDE_OLD),
    (
        "claude-3-opus",
        Capabilities {
            max_output: 4_096,
            reasoning: NO_REASONING,
            ..CLAUDE_OLD
        },
    ),
    (
        "claude-3-haiku",
        Capabilities {
            max_output: 4_096,
            reasoning: NO_REASONING,
            ..CLAUDE_OLD
        },
    ),
    (
        "claude-3-sonnet",
        Capabilities {
            max_output: 4_096,
            reasoning: NO_REASONING,
            ..CLAUDE_OLD
        },
    ),
    (
        "claude-opus-4",
        Capabilities {
            max_output: 32_000,
            ..CLAUDE_OLD
        },
    ),
    ("claude-sonnet-4", CLAUDE_OLD),
    ("claude-haiku-4-5", CLAUDE_4_5),
    ("claude-sonnet-4-5", CLAUDE_4_5),
    (
        "claude-opus-4-5",
        Capabilities {
            reasoning: Reasoning {
                efforts: LOW_TO_HIGH,
                ..CLAUDE_4_5.reasoning
            },
            ..CLAUDE_4_5
        },
    ),
    ("claude-opus-4-6", CLAUDE_4_6),
    ("claude-sonnet-4-6", CLAUDE_4_6),
    ("claude-opus-4-7", CLAUDE_4_7),
    (
        "claude-opus-4-8",
        Capabilities {
            traits: CLAUDE_4_7.traits.and(Traits::SYSTEM_IN_TURNS),
            ..CLAUDE_4_7
        },
    ),
    ("claude-sonnet-5", CLAUDE_5),
    (
        "claude-opus-5",
        Capabilities {
            traits: CLAUDE_5.traits.and(Traits::SYSTEM_IN_TURNS),
            ..CLAUDE_5
        },
    ),
    ("claude-fable-5", CLAUDE_FABLE),
    ("claude-mythos-5", CLAUDE_FABLE),
    ("claude-fable-5-1", CLAUDE_UNFORCED),
    ("claude-fable-5-2", CLAUDE_UNFORCED),
    ("claude-mythos-5-1", CLAUDE_UNFORCED),
    ("claude-mythos-5-2", CLAUDE_UNFORCED),
    ("claude-opus-5-5", CLAUDE_UNFORCED),
    (
        "claude-sonnet-5-5",
        Capabilities {
            reasoning: Reasoning {
                modes: Modes::ADAPTIVE.and(Modes::BETWEEN_TOOLS),
                ..CLAUDE_5.reasoning
            },
            traits: CLAUDE_UNFORCED.traits.and(Traits::ACCOUNT_BOUND),
            ..CLAUDE_UNFORCED
        },
    ),
    (
        "claude-haiku-5-5",
        Capabilities {
            traits: CLAUDE_5.traits.and(Traits::SYSTEM_IN_TURNS).and(Traits::ACCOUNT_BOUND),
            ..CLAUDE_5
        },
    ),
    (
        "gpt-3.5",
        Capabilities {
            context: 16_385,
            max_output: 4_096,
            ..GPT_4
        },
    ),
    (
        "gpt-4",
        Capabilities {
            max_output: 4_096,
            ..GPT_4
        },
    ),
    ("gpt-4o", GPT_4),
    (
        "gpt-4.1",
        Capabilities {
            context: 1_047_576,
            max_output: 32_768,
            ..GPT_4
        },
    ),
    ("o1", O_SERIES),
    ("o3", O_SERIES),
    ("o4", O_SERIES),
    ("gpt-5", GPT_5),
    ("gpt-5.1", GPT_5_1),
    ("gpt-5.2", GPT_5_2),
    ("gpt-5.3", GPT_5_2),
    ("gpt-5.4", GPT_5_4),
    (
        "gpt-5.4-mini",
        Capabilities {
            context: 400_000,
            ..GPT_5_4
        },
    ),
    (
        "gpt-5.4-nano",
        Capabilities {
            context: 400_000,
            ..GPT_5_4
        },
    ),
    ("gpt-5.5", GPT_5_5),
    ("gpt-5.6", GPT_5_6),
    ("gpt-6", GPT_5_6),
    ("gpt-6-astra", GPT_6_ASTRA),
    (
        "deepseek-",
        Capabilities {
            context: 131_072,
            ..THINKING
        },
    ),
    (
        "deepseek-chat",
        Capabilities {
            context: 131_072,
            reasoning: Reasoning {
                default_on: false,
                ..THINKING.reasoning
            },
            ..THINKING
        },
    ),
    (
        "deepseek-v4",
        Capabilities {
            context: 1_000_000,
            ..THINKING
        },
    ),
    ("kimi-", KIMI),
    ("kimi-k2.5", KIMI),
    (
        "kimi-k3",
        Capabilities {
            context: 1_000_000,
            ..KIMI
        },
    ),
    (
        "glm-",
        Capabilities {
            context: 200_000,
            ..THINKING
        },
    ),
    (
        "glm-5",
        Capabilities {
            context: 1_000_000,
            ..THINKING
        },
    ),
    ("qwen3", THINKING),
    ("gemini-", GEMINI_3),
    (
        "gemini-1",
        Capabilities {
            max_output: 8_192,
            reasoning: NO_REASONING,
            ..GEMINI_2_5
        },
    ),
    (
        "gemini-2.0",
        Capabilities {
            max_output: 8_192,
            reasoning: NO_REASONING,
            ..GEMINI_2_5
        },
    ),
    ("gemini-2.5", GEMINI_2_5),
    ("gemini-2.5-pro", GEMINI_2_5_PRO),
    ("gemini-3", GEMINI_3),
    ("gemini-3-pro", GEMINI_3_PRO),
    (
        "gemini-3.1-pro",
        Capabilities {
            reasoning: Reasoning {
                efforts: LOW_TO_HIGH,
                ..GEMINI_3.reasoning
            },
            ..GEMINI_3
        },
    ),
];

const NO_REASONING: Reasoning = Reasoning {
    modes: Modes::NONE,
    efforts: Efforts::NONE,
    default_on: false,
    hidden: false,
};

const CLAUDE_EFFORTS: Efforts = Efforts::of(&[Low, Medium, High, Xhigh, Max]);

/// More stop strings than anybody sends.
const MANY: usize = 8_191;
