//! Connections to upstreams: every address of a name, stale ones, what a probe and traffic say about each other.
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use crate::early::{before_http_2, before_streams};
use crate::rig::{Lines, Say, Upstream, Weir, account, accounts, eventually, network, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::OpenaiChat)
}

/// An upstream under this name, in place of its address.
fn under(name: &str, upstream: &Upstream) -> String {
    let port = upstream.addr().port();
    accounts(&[account("a", &lines(), upstream, "")])
        .replace(&upstream.url(), &format!("http://{name}:{port}"))
}

/// Answers and closes: each request needs a connection of its own.
fn closing() -> Upstream {
    Upstream::start(|_, wire| {
        wire.answer(
            200,
            &[
                ("connection", "close"),
                ("content-type", "application/json"),
            ],
            lines().answer,
        );
        wire.close();
    })
}

/// Ten requests to a host with these addresses, one of which works; how long the first took, and the slowest later one.
fn ten(test: &str, addresses: &[&str]) -> Option<(Duration, Duration)> {
    let hosts: String = addresses
        .iter()
        .map(|address| format!("{address} many.test\n"))
        .collect();
    if !network::inside(test, &hosts) {
        return None;
    }
    let upstream = closing();
    let weir = Weir::start(&under("many.test", &upstream));
    let times = (0..10).map(|_| {
        let began = Instant::now();
        assert_eq!(
            weir.ask(&lines()).send().is(200).header("x-weir-attempts"),
            Some("1")
        );
        began.elapsed()
    });
    let times: Vec<_> = times.collect();
    Some((times[0], times[1..].iter().copied().max()?))
}

#[test]
fn a_host_with_an_address_that_leads_nowhere_is_reached_by_another() {
    let test = "connections::a_host_with_an_address_that_leads_nowhere_is_reached_by_another";
    let addresses = ["fd99::2", "10.99.0.2", "127.0.0.1"];
    if let Some((first, later)) = ten(test, &addresses) {
        // Two delays of 250 ms, on a busy machine; and then it is known which one works.
        assert!(first < Duration::from_secs(3), "{first:?}");
        assert!(later < Duration::from_secs(3), "{later:?}");
    }
}

#[test]
fn a_host_with_an_address_without_a_route_is_reached_by_another() {
    let test = "connections::a_host_with_an_address_without_a_route_is_reached_by_another";
    let addresses = ["2001:db8::1", "192.0.2.1", "127.0.0.1"];
    if let Some((first, _)) = ten(test, &addresses) {
        assert!(first < Duration::from_secs(2), "{first:?}");
    }
}

#[test]
fn a_host_whose_addresses_refuse_but_for_one_is_reached_by_that() {
    let test = "connections::a_host_whose_addresses_refuse_but_for_one_is_reached_by_that";
    let addresses = [
        "::1",
        "127.0.0.2",
        "127.0.0.3",
        "127.0.0.4",
        "127.0.0.5",
        "127.0.0.1",
    ];
    if let Some((first, _)) = ten(test, &addresses) {
        assert!(first < Duration::from_secs(2), "{first:?}");
    }
}

#[test]
fn a_name_without_an_address_is_told_and_works_as_soon_as_it_has_one() {
    let test = "connections::a_name_without_an_address_is_told_and_works_as_soon_as_it_has_one";
    if !network::inside(test, "") {
        return;
    }
    let upstream = closing();
    let weir = Weir::start(&format!("server: {{ }}\n{}", under("late.test", &upstream)));
    weir.ask(&lines()).send().is(502);
    std::fs::write("/etc/hosts", "127.0.0.1 late.test\n").expect("a table of the test's own");
    crate::rig::eventually("the name is found", || {
        weir.admin("POST", "/admin/accounts/a/reset").send();
        (weir.ask(&lines()).send().status == 200).then_some(())
    });
}

/// An upstream of which `count` connections serve one request each, and at the next one do as `last` says.
fn fickle(count: usize, last: impl Fn(&mut crate::rig::Wire) + Send + Sync + 'static) -> Upstream {
    let served = Mutex::new(HashMap::<usize, usize>::new());
    // All of the first requests are under way at once, so that each has its connection.
    let together = Barrier::new(count);
    Upstream::start(move |request, wire| {
        let before = {
            let mut served = served.lock().expect("no panic");
            let count = served.entry(request.connection).or_default();
            std::mem::replace(count, *count + 1)
        };
        if before == 0 {
            if request.number < count {
                together.wait();
            }
            wire.json(200, lines().answer);
        } else {
            last(wire);
        }
    })
}

/// Makes `count` idle connections.
fn warm(weir: &Weir, count: usize) {
    let asking: Vec<_> = (0..count).map(|_| weir.ask(&lines()).start()).collect();
    for stream in asking {
        let open = crate::rig::client::Open::read(stream).expect("an answer");
        assert_eq!(open.rest().status, 200);
    }
    weir.until_metric("weir_inflight_requests", &[], 0.0);
}

#[test]
fn stale_connections_cost_no_request_however_many_there_are() {
    for reset in [false, true] {
        let upstream = fickle(
            8,
            move |wire| if reset { wire.reset() } else { wire.close() },
        );
        let weir = Weir::before(&upstream, &lines());
        warm(&weir, 8);
        assert_eq!(upstream.connections(), 8);
        for _ in 0..4 {
            let answer = weir.ask(&lines()).send().is(200);
            assert_eq!(answer.header("x-weir-attempts"), Some("1"));
        }
        assert_eq!(weir.account("a")["state"], "usable");
    }
}

#[test]
fn a_request_of_which_a_byte_of_an_answer_came_is_never_repeated() {
    let upstream = fickle(1, |wire| {
        wire.raw("HTTP/1.1 2");
        wire.close();
    });
    let weir = Weir::before(&upstream, &lines());
    warm(&weir, 1);
    weir.ask(&lines()).send().is(502);
    assert_eq!(upstream.count(), 2);
}

#[test]
fn a_probe_does_not_put_out_what_traffic_proves_to_work() {
    let sick = std::sync::Arc::new(AtomicBool::new(true));
    let theirs = sick.clone();
    let upstream = Upstream::start(move |request, wire| {
        let status = if request.method == "GET" && theirs.load(Ordering::SeqCst) {
            500
        } else {
            200
        };
        wire.json(status, lines().answer);
    });
    let weir = Weir::start(&accounts(&[account(
        "a",
        &lines(),
        &upstream,
        ", health_check: { path: /health, interval: 1s }",
    )]));
    crate::rig::eventually("three probes have failed beside traffic that works", || {
        assert_eq!(weir.ask(&lines()).send().is(200).account(), "a");
        let requests = upstream.requests();
        let probes = requests.iter().filter(|request| request.method == "GET");
        (probes.count() >= 3).then_some(())
    });
    // Without traffic they count.
    crate::rig::eventually("the probes put it out", || {
        (weir.account("a")["state"] != "usable").then_some(())
    });
}

#[test]
fn a_probe_goes_through_the_egress_proxy_and_names_host_and_port() {
    let proxy = crate::rig::proxies::Proxy::http(true);
    let upstream = Upstream::json(200, lines().answer);
    let more = format!(
        ", egress: \"http://ann:one@{}\", health_check: {{ path: /health, interval: 100ms }}",
        proxy.addr
    );
    let _weir = Weir::start(&accounts(&[account("a", &lines(), &upstream, &more)]));
    upstream.until(2);
    let probe = upstream.requests().remove(0);
    assert_eq!(
        (probe.method.as_str(), probe.target.as_str()),
        ("GET", "/health")
    );
    assert_eq!(
        probe.headers.get("host"),
        Some(upstream.addr().to_string().as_str())
    );
    assert!(proxy.heard()[0].contains("Basic "), "{:?}", proxy.heard());
}

#[test]
fn a_client_that_vanished_is_noticed_by_tcp_keepalive() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::before(&upstream, &lines());
    let _open = weir.ask(&lines()).open();
    let port = format!(":{:04X}", weir.addr().port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("Linux");
    // Columns: local address, …, state 01 (established), queues, and timer 02 (keepalive).
    let timer = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find_map(|columns| {
            (columns[1].ends_with(&port) && columns[3] == "01").then(|| columns[5][..2].to_owned())
        });
    assert_eq!(timer.as_deref(), Some("02"), "{table}");
}

/// Clients that do not read what they asked for hold up nobody else who is served over the same connection of HTTP/2.
#[test]
fn slow_readers_freeze_nobody_on_an_http_2_connection() {
    let text = "x".repeat(16 << 10);
    let mut opening = lines().opening.iter();
    let delta = opening.find(|event| event.contains("Hel"));
    let more = delta.expect("a delta").replace("Hel", &text);
    let (opening, more) = (lines().opening.concat().leak(), more.leak());
    let (upstream, weir) = before_http_2(&lines(), |number| match number {
        1 | 2 => Say::Endless(opening, more),
        _ => Say::AfterAll(200, lines().answer),
    });
    let ask = |body: &str| weir.call("POST", lines().path).body(body);
    // The first opens the connection that all of them share.
    ask(lines().ask).send().is(200);
    let unread = [2, 3].map(|count| {
        let stream = ask(lines().ask_stream).start();
        eventually("it has come", || {
            (upstream.requests() == count).then_some(())
        });
        stream
    });
    let mut before = 0;
    eventually("what is not read is no longer sent", || {
        std::thread::sleep(Duration::from_millis(200));
        let sent = upstream.sent();
        let stands = sent > 1 << 20 && sent == before;
        before = sent;
        stands.then_some(())
    });
    for _ in 0..3 {
        ask(lines().ask).send().is(200);
    }
    assert_eq!(upstream.connections(), 1);
    drop(unread);
}

/// Where a connection of HTTP/2 takes no more streams, another one is opened before anybody has to wait.
#[test]
fn a_second_http_2_connection_is_opened_before_streams_wait() {
    let (upstream, weir) = before_streams(&lines(), 1, |number| match number {
        0 => Say::AfterAll(200, lines().answer),
        _ => Say::Together(4, lines().answer),
    });
    let ask = || weir.call("POST", lines().path).body(lines().ask).send();
    ask().is(200);
    std::thread::scope(|scope| {
        let all = [(); 3].map(|()| scope.spawn(|| ask().status));
        assert_eq!(all.map(|one| one.join().expect("no panic")), [200; 3]);
    });
    assert!(upstream.connections() >= 3, "{}", upstream.connections());
}
