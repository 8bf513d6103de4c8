//! Why attempts fail. One row per class: everything that follows from the class of a failure is in its row. So a new
//! class needs a row here, and rules in `pool/classify.rs` that recognize it.
use crate::protocol::error::ErrorKind;

/// Why an attempt failed. It determines what is benched, for how long, and whether another account may be tried.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FailureClass {
    /// The upstream refused the account's credential.
    Auth,
    /// The client closed the connection.
    ClientGone,
    /// The request itself is at fault.
    ClientFault,
    /// The request does not fit the model's context window.
    ContextLength,
    /// The provider is overloaded for all callers.
    Overloaded,
    /// A quota or budget at the provider is spent.
    Quota,
    /// The provider failed.
    ServerError,
    /// There was no head of an answer in time.
    Slow,
    /// A rate limit that states when it ends.
    Throttled,
    /// A rate limit that does not state when it ends.
    ThrottledBlind,
    /// There was no connection, or it broke before the head of an answer.
    Transport,
    /// The answer broke off.
    Truncated,
}

/// Where a request may be tried next after a failure, as long as nothing has been sent to the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// At another account, immediately.
    Elsewhere,
    /// At another account, but only once per request for this class.
    ElsewhereOnce,
    /// At another provider; if there is none, once more at the same place after the backoff.
    ElsewhereOrInPlace,
    /// At any account, including the same one, but only once per request: the model failed by chance, and nothing is
    /// benched.
    InPlaceOnce,
    /// Only in the pool's declared fallback: every account of this pool would fail alike.
    Fallback,
    /// Nowhere.
    Stop,
}

/// The effect of a failure on the account and the endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The account is benched for some time; the endpoint is healthy.
    Bench,
    /// The endpoint gets fewer requests, with pauses that double.
    BackOff,
    /// The failure shows nothing about either.
    Nothing,
    /// The endpoint is benched if the failure repeats.
    Strike,
    /// Both are healthy.
    Well,
}

/// The effect on the account of a failure at an endpoint other than generation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VendorEffect {
    /// The same as for a generation request.
    Same,
    /// This kind of endpoint is limited for the account.
    Limited,
    /// This kind of endpoint is limited for the account, without a stated end.
    LimitedBlind,
    /// None: a problem of one endpoint does not concern the others.
    Nothing,
}

/// The properties of one class.
#[derive(Debug)]
struct Row {
    class: FailureClass,
    /// The name in metrics, logs and docs.
    name: &'static str,
    /// The kind of error for the client, if no attempt succeeds.
    kind: ErrorKind,
    next: Next,
    effect: Effect,
    vendor_effect: VendorEffect,
    /// Whether the failure may have been chance, if nothing states how long it lasts.
    is_soft: bool,
    /// Whether an operator has to fix it: limits and overload end by themselves, and are frequent.
    is_alarming: bool,
    /// What it means and what to do, for the log.
    hint: &'static str,
    /// The message that no account can serve because of it.
    exhausted: &'static str,
    /// The message that the last upstream failed because of it.
    failed: &'static str,
}

const UPSTREAM: Row = Row {
    class: FailureClass::ServerError,
    name: "server_error",
    kind: ErrorKind::BadGateway,
    next: Next::Elsewhere,
    effect: Effect::Strike,
    vendor_effect: VendorEffect::Nothing,
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
    vendor_effect: VendorEffect::Same,
    is_soft: false,
    is_alarming: false,
    ..UPSTREAM
};

const THROTTLED: Row = Row {
    class: FailureClass::Throttled,
    name: "throttled",
    kind: ErrorKind::RateLimit,
    effect: Effect::Bench,
    vendor_effect: VendorEffect::Limited,
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
        vendor_effect: VendorEffect::Same,
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
        vendor_effect: VendorEffect::LimitedBlind,
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
        vendor_effect: VendorEffect::Same,
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

    /// Whether only the client can fix it; then the client gets the upstream's own error.
    pub const fn is_the_clients(self) -> bool {
        matches!(self.row().effect, Effect::Well)
    }

    /// The kind of error for the client, if no attempt succeeds.
    pub const fn kind(self) -> ErrorKind {
        self.row().kind
    }

    /// Where the request may be tried next.
    pub const fn next(self) -> Next {
        self.row().next
    }

    /// The effect on the account and the endpoint.
    pub const fn effect(self) -> Effect {
        self.row().effect
    }

    /// The effect on the account, if the failure comes from an endpoint other than generation.
    pub const fn vendor_effect(self) -> VendorEffect {
        self.row().vendor_effect
    }

    /// Whether the failure may have been chance, if nothing states how long it lasts.
    pub const fn is_soft(self) -> bool {
        self.row().is_soft
    }

    /// Whether an operator has to fix it.
    pub const fn is_alarming(self) -> bool {
        self.row().is_alarming
    }

    /// What it means and what to do, for the log.
    pub const fn hint(self) -> &'static str {
        self.row().hint
    }

    /// The beginning of the sentence for the client that no account can serve because of it.
    pub const fn exhausted(self) -> &'static str {
        self.row().exhausted
    }

    /// The sentence for the client that the last upstream failed because of it.
    pub const fn failed(self) -> &'static str {
        self.row().failed
    }
}
