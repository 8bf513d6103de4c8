//! `pools`, `routes`, `keys` and `groups`: who may call, and where a request goes.
use super::Texts;
use super::limits::ClientLimits;
use super::mapping::mapping;
use super::secret::RawSecret;
use super::setting::{Measure as _, Otherwise, Rule, Setting};
use crate::config::raw::values::{
    Boolean, LoosePattern, Moment, Name, Number, Pattern, Sha256, Text, Whole, Word, Words,
};
use crate::config::yaml::decode::{Field, Needed};
use crate::config::{AffinityBy, Select};
use crate::protocol::Dialect;

mapping!("a pool: `{ name: NAME, accounts: [ … ] }`"
/// A set of accounts and how to choose among them.
Pool {
    /// Unique.
    name: Needed<Name>,
    /// Names of accounts. Default: every account.
    accounts: Field<Vec<Field<Name>>>,
    /// How to choose within a priority.
    select: Setting<Word<Select>> = Word::or(Select::Weighted),
    /// Requests with the same value of this keep to one account while it is usable.
    affinity: Setting<Word<AffinityBy>> = Word::or(AffinityBy::Session),
    /// The pool to try when every account here is out.
    fallback: Field<Name>,
});

mapping!("a route: `{ when: { … }, pool: NAME }`"
/// Where a request goes.
Route {
    /// All given conditions must hold. Default: always.
    when: Field<When>,
    /// The pool. Default: the one named `default`, or the only one.
    pool: Field<Name>,
    /// Renames the model for the upstream.
    model: Field<Text>,
    /// The one account of the pool that is asked, also with weight 0. Default: whichever the pool chooses.
    account: Field<Name>,
});

mapping!("conditions: `{ model: \"claude-*\" }`"
/// Conditions on a request; all given ones must hold.
When {
    /// The model asked for.
    model: Field<Pattern>,
    /// What the client speaks.
    dialect: Field<Word<Dialect>>,
    /// The name of the client key.
    key: Field<Pattern>,
    /// The group of the client key.
    group: Field<Pattern>,
    /// The User-Agent header, whatever its case.
    user_agent: Field<LoosePattern>,
    /// Headers, each with a pattern for its value, whatever the case.
    header: Texts<LoosePattern>,
    /// Whether a stream is asked for.
    stream: Field<Boolean>,
    /// The project label of the request.
    project: Field<Pattern>,
    /// More than this share is used of a budget in USD of the key, its group or the project, whichever is the fullest.
    budget_used_over: Field<Number> = share(),
    /// Whether the request asks for thinking (reasoning).
    thinking: Field<Boolean>,
    /// More input tokens than this, estimated.
    input_tokens_over: Field<Whole>,
    /// Whether there are images in the input.
    images: Field<Boolean>,
    /// Whether the provider's own web search is offered to the model.
    web_search: Field<Boolean>,
});

mapping!("a key: `{ name: NAME, sha256: DIGEST }`"
/// A client key. It needs `sha256`, `key` or `certificate`; `certificate` may stand beside one of the other two.
ClientKey {
    /// Unique. A label of metrics.
    name: Needed<Name>,
    /// The SHA-256 of the key, 64 hex digits: `weir key new` prints both.
    sha256: Field<Sha256>,
    /// The key itself.
    key: Field<RawSecret>,
    /// The client certificate of the caller, on a listener with `tls.client_ca`. Without `sha256` and `key`, the certificate alone identifies the caller; beside one of them, both are required.
    certificate: Field<ClientCertificate>,
    /// A label for reports, and for limits shared by a group.
    group: Field<Name>,
    /// The pools it may use. Default: all.
    pools: Field<Vec<Field<Name>>>,
    /// Patterns of the models it may ask for. Default: all.
    models: Field<Vec<Field<Pattern>>>,
    /// When it stops to be valid, such as 2027-01-01T00:00:00Z. Default: never.
    expires: Field<Moment>,
    /// Whether it gets the headers x-weir-account, x-weir-route and x-weir-attempts.
    debug: Setting<Boolean> = Boolean::or(false),
    /// Whether it may use files, batches and other endpoints that name no model, although `models` binds it.
    files: Setting<Boolean> = Boolean::or(false),
    /// The project of its requests that name none.
    project: Field<Name>,
    /// The projects that its requests may name with `x-weir-project`. Default: its `project`, else all.
    projects: Field<Vec<Field<Name>>>,
    /// What it may ask for at most.
    limits: Field<ClientLimits>,
});

mapping!("a client certificate: `{ san: NAME }`"
/// A client certificate.
ClientCertificate {
    /// A subject alternative name of the certificate, as it stands there: a DNS name, an e-mail address, a URI or an IP address. Names of hosts in any case.
    san: Needed<Text>,
});

mapping!("a project: `{ name: NAME }`"
/// What requests are for, whoever makes them.
Project {
    /// Unique. A label of metrics.
    name: Needed<Name>,
    /// What its requests may ask for at most, together.
    limits: Field<ClientLimits>,
});

mapping!("a group: `{ name: NAME }`"
/// A group of keys.
Group {
    /// Unique.
    name: Needed<Name>,
    /// What its keys may ask for at most, together.
    limits: Field<ClientLimits>,
});

impl Words for Select {
    const EXPECTED: &'static str = "a way to choose an account";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("weighted", Self::Weighted),
        ("round-robin", Self::RoundRobin),
        ("random", Self::Random),
        ("failover", Self::Failover),
        ("least-busy", Self::LeastBusy),
        ("cheapest", Self::Cheapest),
    ];
}

impl Words for AffinityBy {
    const EXPECTED: &'static str = "what keeps to one account";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("session", Self::Session),
        ("stated", Self::Stated),
        ("key", Self::Key),
        ("none", Self::None),
    ];
}

/// The range of a share of a budget.
fn share() -> Rule<Number, Otherwise> {
    Number::otherwise("0.8 means four fifths")
        .from(0.0)
        .up_to(1.0)
}
