//! `server.runtime: per-core`: threads that share nothing serve as the others do.
use crate::rig::{KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::OpenaiChat)
}

fn start(upstream: &Upstream, server: &str, limits: &str) -> Weir {
    let entry = accounts(&[account("a", &lines(), upstream, "")]);
    Weir::start(&format!(
        "server: {{ runtime: per-core, {server} }}\nkeys: [{{ name: team, key: \"{KEY}\", {limits} }}]\n{entry}"
    ))
}

#[test]
fn every_thread_serves_and_limits_hold_over_all_of_them() {
    let lines = lines();
    let events = lines.events();
    let upstream = Upstream::start(move |request, wire| {
        if String::from_utf8_lossy(&request.body).contains("\"stream\":true") {
            return wire.events(&events);
        }
        wire.json(200, sample(Dialect::OpenaiChat).answer);
    });
    let weir = start(&upstream, "threads: 3", "limits: { rpm: 60 }");
    let lines = self::lines();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let plain = (0..2).map(|_| weir.ask(&lines).send().status);
                    let mut all: Vec<u16> = plain.collect();
                    let stream = weir.ask_stream(&lines).send();
                    assert!(stream.status != 200 || stream.whole);
                    all.push(stream.status);
                    all.push(weir.ask(&lines).send().status);
                    all
                })
            })
            .collect();
        let all = clients.into_iter().map(std::thread::ScopedJoinHandle::join);
        all.flat_map(|statuses| statuses.expect("no panic"))
            .collect()
    });
    let passed = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!((passed, refused), (60, 20), "{statuses:?}");
    weir.until_metric("weir_requests_total", &[("outcome", "ok")], 60.0);
    weir.is_well();
}

#[test]
fn a_drain_waits_for_the_streams_of_every_thread() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |_, wire| {
        let lines = sample(Dialect::OpenaiChat);
        wire.stream();
        lines.opening.iter().for_each(|event| wire.chunk(event));
        // An error: told to all at once.
        let _ = wait.lock().map(|wait| wait.recv());
        lines.closing.iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    let mut weir = start(&upstream, "threads: 2", "");
    let mut open: Vec<_> = (0..4).map(|_| weir.ask_stream(&lines()).open()).collect();
    for stream in &mut open {
        stream.event().expect("the stream begins");
    }
    weir.drain();
    drop(go);
    assert!(open.into_iter().all(|stream| stream.rest().whole));
    weir.join().expect("it ends well");
}
