//! Why attempts fail. One row a class: whatever follows from a failure by its class alone follows from the row, so that a new
//! class is a row here, and the words in `pool/classify.rs` by which it is known.
use crate::protocol::error::ErrorKind;

/// Why an attempt failed: decides what is benched, for how long, and whether another account may be tried.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FailureClass {
    /// The account's credential was refused.
    Auth,
    /// The client closed.
    ClientGone,
    /// The request itself is at fault.
    ClientFault,
    /// The request does not fit the model's context window.
    ContextLength,
    /// The provider is overloaded, whoever asks.
    Overloaded,
    /// A spent quota or budget at the provider.
    Quota,
    /// The provider failed.
    ServerError,
    /// No response head in time.
    Slow,
    /// A rate limit that says when it ends.
    Throttled,
    /// A rate limit that says nothing.
    ThrottledBlind,
    /// No connection, or it broke before a response head.
    Transport,
    /// The answer broke off.
    Truncated,
}

/// Where the request may go after a failure, as long as nothing has been sent to the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Another account, at once.
    Elsewhere,
    /// Another account, but only once for this class in one request.
    ElsewhereOnce,
    /// Another provider; when there is none, one more try in place after the backoff.
    ElsewhereOrInPlace,
    /// Anywhere, the same account included, but only once in one request: the model failed by chance, nobody is out.
    InPlaceOnce,
    /// Only the pool's declared fallback: every account here would say the same.
    Fallback,
    /// Nowhere.
    Stop,
}

/// What a failure does to the account and the endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The account is out for a time, and the endpoint is well.
    Bench,
    /// The endpoint is asked less often, by doubling pauses.
    BackOff,
    /// Nothing is known of either.
    Nothing,
    /// The endpoint is out once it repeats.
    Strike,
    /// Both are well.
    Well,
}

/// What a failure at an endpoint beside generation says about the account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Aside {
    /// The same as of an answer.
    Same,
    /// That kind of endpoint is limited there.
    Limited,
    /// That kind of endpoint is limited there, without a time being stated.
    LimitedBlind,
    /// Nothing: one endpoint's trouble is not the others'.
    Nobody,
}

/// What one class is.
#[derive(Debug)]
struct Row {
    class: FailureClass,
    /// In metrics, logs and docs.
    name: &'static str,
    /// What the client sees at last.
    kind: ErrorKind,
    next: Next,
    effect: Effect,
    aside: Aside,
    /// Whether it may have been chance, when nothing says how long it lasts.
    is_soft: bool,
    /// Whether an operator has to mend it: limits and overload pass by themselves, and come often.
    is_alarming: bool,
    /// What it means and what to do, for the log.
    hint: &'static str,
    /// That nobody can serve, because of it.
    exhausted: &'static str,
    /// That the last upstream failed by it.
    failed: &'static str,
}

const UPSTREAM: Row = Row {
    class: FailureClass::ServerError,
    name: "server_error",
    kind: ErrorKind::BadGateway,
    next: Next::Elsewhere,
    effect: Effect::Strike,
    aside: Aside::Nobody,
    is_soft: true,
    is_alarming: true,
    hint: "the upstream failed; look at its own status",
    exhausted: "no upstream account that could serve this is available",
    failed: "the upstream failed; try again",
};

const CLIENT: Row = Row {
    class: FailureClass::ClientFault,
    name: "client_fault",
    kind: ErrorKind::InvalidRequest,
    next: Next::Stop,
    effect: Effect::Well,
    aside: Aside::Same,
    is_soft: false,
    is_alarming: false,
    ..UPSTREAM
};

const THROTTLED: Row = Row {
    class: FailureClass::Throttled,
    name: "throttled",
    kind: ErrorKind::RateLimit,
    effect: Effect::Bench,
    aside: Aside::Limited,
    is_soft: false,
    is_alarming: false,
    hint: "the upstream limits the rate; lower the account's `limits` or add accounts",
    exhausted: "every upstream account that could serve this is rate limited",
    failed: "the upstream is rate limited; try again shortly",
    ..UPSTREAM
};

/// In the order of the enum.
const ROWS: [Row; 12] = [
    Row {
        class: FailureClass::Auth,
        name: "auth",
        effect: Effect::Bench,
        aside: Aside::Same,
        is_soft: false,
        hint: "the upstream refuses the credential; check the account's key and what it may use",
        ..UPSTREAM
    },
    Row {
        class: FailureClass::ClientGone,
        name: "client_gone",
        kind: ErrorKind::BadGateway,
        effect: Effect::Nothing,
        ..CLIENT
    },
    CLIENT,
    Row {
        class: FailureClass::ContextLength,
        name: "context_length",
        kind: ErrorKind::ContextLength,
        next: Next::Fallback,
        ..CLIENT
    },
    Row {
        class: FailureClass::Overloaded,
        name: "overloaded",
        kind: ErrorKind::Overloaded,
        next: Next::ElsewhereOrInPlace,
        effect: Effect::BackOff,
        aside: Aside::LimitedBlind,
        is_alarming: false,
        hint: "the upstream is overloaded; add another provider",
        exhausted: "every upstream that could serve this is overloaded",
        failed: "the upstream is overloaded; try again shortly",
        ..UPSTREAM
    },
    Row {
        class: FailureClass::Quota,
        name: "quota",
        kind: ErrorKind::Quota,
        is_alarming: true,
        hint: "the upstream says that the quota is spent; look at the plan and the balance there",
        exhausted: "the quota of every upstream account that could serve this is spent",
        failed: "the upstream's quota is spent",
        ..THROTTLED
    },
    UPSTREAM,
    Row {
        class: FailureClass::Slow,
        name: "slow",
        kind: ErrorKind::Timeout,
        next: Next::ElsewhereOnce,
        exhausted: "no upstream that could serve this answered in time",
        failed: "the upstream did not answer in time; try again",
        ..UPSTREAM
    },
    THROTTLED,
    Row {
        class: FailureClass::ThrottledBlind,
        name: "throttled_blind",
        is_soft: true,
        ..THROTTLED
    },
    Row {
        class: FailureClass::Transport,
        name: "transport",
        aside: Aside::Same,
        exhausted: "no upstream that could serve this can be reached",
        failed: "the upstream could not be reached; try again",
        ..UPSTREAM
    },
    Row {
        class: FailureClass::Truncated,
        name: "truncated",
        next: Next::Stop,
        failed: "the upstream's answer broke off; try again",
        ..UPSTREAM
    },
];

impl FailureClass {
    /// Every class, for registering metrics.
    pub const ALL: [Self; ROWS.len()] = {
        let mut all = [Self::Auth; ROWS.len()];
        let mut at = 0;
        while at < ROWS.len() {
            assert!(ROWS[at].class as usize == at, "the order of the enum");
            all[at] = ROWS[at].class;
            at += 1;
        }
        all
    };

    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name in metrics, logs and docs.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Whether the client can mend it, and nobody else: it sees the upstream's own words.
    pub const fn is_the_clients(self) -> bool {
        matches!(self.row().effect, Effect::Well)
    }

    /// What the client sees at last.
    pub const fn kind(self) -> ErrorKind {
        self.row().kind
    }

    /// Where the request may go now.
    pub const fn next(self) -> Next {
        self.row().next
    }

    /// What it does to the account and the endpoint.
    pub const fn effect(self) -> Effect {
        self.row().effect
    }

    /// What it says about the account when it comes from an endpoint beside generation.
    pub const fn aside(self) -> Aside {
        self.row().aside
    }

    /// Whether it may have been chance, when nothing says how long it lasts.
    pub const fn is_soft(self) -> bool {
        self.row().is_soft
    }

    /// Whether an operator has to mend it.
    pub const fn is_alarming(self) -> bool {
        self.row().is_alarming
    }

    /// What it means and what to do, for the log.
    pub const fn hint(self) -> &'static str {
        self.row().hint
    }

    /// That nobody can serve, because of it: the beginning of a sentence for the client.
    pub const fn exhausted(self) -> &'static str {
        self.row().exhausted
    }

    /// That the last upstream failed by it: a sentence for the client.
    pub const fn failed(self) -> &'static str {
        self.row().failed
    }
}
