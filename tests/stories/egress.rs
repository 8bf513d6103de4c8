//! Reaching upstreams through a proxy of the operator's: HTTP CONNECT and SOCKS5.
use crate::rig::proxies::Proxy;
use crate::rig::{Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::OpenaiChat)
}

fn through(upstream: &Upstream, egress: &str) -> Weir {
    let egress = format!(", egress: \"{egress}\"");
    Weir::start(&accounts(&[account("a", &lines(), upstream, &egress)]))
}

/// One call through this proxy; what the proxy heard after the target.
#[track_caller]
fn heard(proxy: &Proxy, egress: &str) -> String {
    let upstream = Upstream::json(200, lines().answer);
    let weir = through(&upstream, egress);
    assert_eq!(weir.ask(&lines()).send().is(200).text(), lines().answer);
    assert_eq!(upstream.only().body, lines().ask.as_bytes());
    assert_eq!(upstream.only().headers.get("proxy-authorization"), None);
    let tunnels = proxy.heard();
    let [tunnel] = &tunnels[..] else {
        panic!("one tunnel: {tunnels:?}")
    };
    let target = upstream.addr().to_string();
    tunnel
        .strip_prefix(&target)
        .unwrap_or_else(|| panic!("{tunnel}"))
        .trim()
        .to_owned()
}

#[test]
fn connect_without_credentials() {
    let proxy = Proxy::http(false);
    assert_eq!(heard(&proxy, &format!("http://{}", proxy.addr)), "none");
}

#[test]
fn connect_with_credentials() {
    let proxy = Proxy::http(true);
    let egress = format!("http://user:p%40ss@{}", proxy.addr);
    assert_eq!(heard(&proxy, &egress), "Basic dXNlcjpwQHNz");
}

#[test]
fn socks5_without_credentials() {
    let proxy = Proxy::socks5(false);
    assert_eq!(heard(&proxy, &format!("socks5://{}", proxy.addr)), "none");
}

#[test]
fn socks5_with_credentials() {
    let proxy = Proxy::socks5(true);
    let egress = format!("socks5://user:p%40ss@{}", proxy.addr);
    assert_eq!(heard(&proxy, &egress), "user:p@ss");
}

#[test]
fn a_proxy_that_refuses_is_a_failure_of_the_way_and_its_password_is_not_told() {
    for (scheme, proxy) in [("http", Proxy::http(true)), ("socks5", Proxy::socks5(true))] {
        let upstream = Upstream::start(|_, _| panic!("there is no way here"));
        let good = Upstream::json(200, lines().answer);
        let egress = format!(", egress: \"{scheme}://{}\"", proxy.addr);
        let weir = Weir::start(&accounts(&[
            account("a", &lines(), &upstream, &egress),
            account("b", &lines(), &good, ", priority: 1"),
        ]));
        assert_eq!(weir.ask(&lines()).send().is(200).account(), "b");
        weir.until_metric("weir_failovers_total", &[("reason", "transport")], 1.0);
    }
    let upstream = Upstream::json(200, lines().answer);
    let weir = through(&upstream, "http://user:hush@127.0.0.1:1");
    let answer = weir.ask(&lines()).send().is(502);
    assert!(!answer.text().contains("hush"), "{}", answer.text());
    assert!(!weir.status("/status/accounts").to_string().contains("hush"));
}

#[test]
fn tunnelled_connections_are_kept_apart_from_direct_ones() {
    let proxy = Proxy::http(false);
    let upstream = Upstream::json(200, lines().answer);
    let egress = format!(", egress: \"http://{}\"", proxy.addr);
    let weir = Weir::start(&format!(
        "{}pools:\n  - {{ name: one, accounts: [direct] }}\n  - {{ name: two, accounts: [tunnelled] }}\n\
         routes:\n  - {{ when: {{ header: {{ x-way: two }} }}, pool: two }}\n  - {{ pool: one }}\n",
        accounts(&[
            account("direct", &lines(), &upstream, ""),
            account("tunnelled", &lines(), &upstream, &egress)
        ])
    ));
    for way in ["one", "two", "one", "two"] {
        let answer = weir.ask(&lines()).header("x-way", way).send().is(200);
        let expected = if way == "two" { "tunnelled" } else { "direct" };
        assert_eq!(answer.account(), expected);
        weir.until_metric("weir_inflight_requests", &[], 0.0);
    }
    let connections: Vec<usize> = upstream
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [0, 1, 0, 1]);
    assert_eq!(proxy.heard().len(), 1);
}

/// Two accounts through one proxy; the logins of the tunnels that two calls by way of each have opened.
#[track_caller]
fn logins(proxy: &Proxy, first: &str, second: &str) -> Vec<String> {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&format!(
        "{}pools:\n  - {{ name: one, accounts: [a] }}\n  - {{ name: two, accounts: [b] }}\n\
         routes:\n  - {{ when: {{ header: {{ x-way: two }} }}, pool: two }}\n  - {{ pool: one }}\n",
        accounts(&[
            account("a", &lines(), &upstream, &format!(", egress: \"{first}\"")),
            account("b", &lines(), &upstream, &format!(", egress: \"{second}\""))
        ])
    ));
    for way in ["one", "two", "one", "two"] {
        weir.ask(&lines()).header("x-way", way).send().is(200);
        weir.until_metric("weir_inflight_requests", &[], 0.0);
    }
    let login = |tunnel: String| tunnel.rsplit(' ').next().map(str::to_owned);
    proxy.heard().into_iter().filter_map(login).collect()
}

#[test]
fn nobody_rides_on_the_socks5_login_of_another_account() {
    let proxy = Proxy::socks5(true);
    let egress = |login: &str| format!("socks5://{login}@{}", proxy.addr);
    let heard = logins(&proxy, &egress("ann:one"), &egress("ann:two"));
    assert_eq!(heard, ["ann:one", "ann:two"]);
}

#[test]
fn nobody_rides_on_the_connect_login_of_another_account() {
    let proxy = Proxy::http(false);
    let named = format!("http://ann:one@{}", proxy.addr);
    let heard = logins(&proxy, &named, &format!("http://{}", proxy.addr));
    assert_eq!(heard, ["YW5uOm9uZQ==", "none"]);
}

#[test]
fn accounts_with_the_same_login_at_a_proxy_share_its_connections() {
    let proxy = Proxy::socks5(true);
    let egress = format!("socks5://ann:one@{}", proxy.addr);
    assert_eq!(logins(&proxy, &egress, &egress), ["ann:one"]);
}
