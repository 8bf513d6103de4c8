//! `admin.oidc`: sign-in at an OpenID provider.
use super::mapping::mapping;
use super::secret::RawSecret;
use super::values::{Text, Word};
use crate::config::Role;
use crate::config::yaml::decode::{Field, Map, Needed};

mapping!("an OpenID provider: `{ issuer: URL, client_id: ID, role_claim: groups, roles: { admins: admin } }`"
/// An OpenID provider at which people sign in to the console.
Oidc {
    /// Its URL, exactly as it calls itself: `/.well-known/openid-configuration` stands below it.
    issuer: Needed<Text>,
    /// The client that it knows Weir as.
    client_id: Needed<Text>,
    /// The client's secret. Absent = a public client, protected by PKCE alone.
    client_secret: Field<RawSecret>,
    /// The claim of the ID token that decides about the role, such as `groups`; `a.b` leads into an object.
    role_claim: Needed<Text>,
    /// Values of that claim, and the role of each; `*` = everybody who signs in. The highest one counts, and without one nobody is let in.
    roles: Needed<Map<Word<Role>>>,
    /// The claim that names somebody in the audit log. Default: `email`, else `preferred_username`, else `sub`.
    name_claim: Field<Text>,
    /// What is asked for. Default: `[openid, profile, email]`.
    scopes: Field<Vec<Field<Text>>>,
    /// Where the provider sends people back to. Default: `/admin/api/v1/oidc/callback` at the address under which the console was asked.
    redirect: Field<Text>,
});
