//! Queries the Prometheus of a fleet without serving anything: `weir usage --prometheus`.
use bytes::Bytes;

use crate::config::Prometheus;
use crate::fleet::Question;
use crate::proxy::upstream::connect::Connections;
use crate::proxy::upstream::prometheus;

/// The answers to these questions, in their order; or why there are none.
pub fn ask(server: &Prometheus, questions: &[Question]) -> Result<Vec<Bytes>, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let answers = runtime.block_on(async {
        let connections = Connections::new(KEEPALIVE, 0);
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            let answered = prometheus::ask(&connections, server, question).await;
            answers.push(answered.map_err(|unanswered| unanswered.to_string())?);
        }
        Ok(answers)
    });
    runtime.shutdown_background();
    answers
}

/// The most idle connections that are kept.
const KEEPALIVE: usize = 1;
