//! Parses the answer of Prometheus to an instant query. It is strict: an incomplete answer is an error.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The labels of one series of an answer. A missing label is empty.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Labels<'a> {
    /// The name of the metric.
    #[serde(borrow, rename = "__name__")]
    pub metric: Cow<'a, str>,
    #[serde(borrow)]
    pub run_id: Cow<'a, str>,
    #[serde(borrow)]
    pub instance: Cow<'a, str>,
    #[serde(borrow)]
    pub scope: Cow<'a, str>,
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    #[serde(borrow)]
    pub account: Cow<'a, str>,
}

/// The labels and the value of one series.
pub type Sample<'a> = (Labels<'a>, f64);

/// Why an answer cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It is not an answer of the HTTP API of Prometheus.
    Malformed,
    /// The query was refused, with this message.
    Refused(String),
    /// It has more series than are ever needed.
    TooMany,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the answer is not one of Prometheus's HTTP API"),
            Self::Refused(why) => write!(f, "the query was refused: {why}"),
            Self::TooMany => write!(f, "the answer has more than {MAX_SERIES} series"),
        }
    }
}

/// The series of an answer. Values that are not finite numbers are left out.
pub fn parse(body: &[u8]) -> Result<Vec<Sample<'_>>, Fault> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| Fault::Malformed)?;
    let data = match answer {
        Answer {
            status: Status::Success,
            data: Some(data),
            ..
        } if data.kind == "vector" => data,
        Answer {
            status: Status::Error,
            error,
            ..
        } => {
            let why = error.unwrap_or_default();
            return Err(Fault::Refused(why.chars().take(MAX_REASON).collect()));
        }
        _ => return Err(Fault::Malformed),
    };
    if data.result.len() > MAX_SERIES {
        return Err(Fault::TooMany);
    }
    let mut samples = Vec::with_capacity(data.result.len());
    for Series { metric, value } in data.result {
        let value: f64 = value.1.parse().map_err(|_| Fault::Malformed)?;
        if value.is_finite() {
            samples.push((metric, value));
        }
    }
    Ok(samples)
}

/// The series of an answer with all their labels, for any query. `T` is `(f64, String)` for an instant query, a list of
/// those for a range query. `None` = it is not an answer of that kind.
pub fn labelled<T: DeserializeOwned>(body: &[u8]) -> Option<Vec<(BTreeMap<String, String>, T)>> {
    #[derive(Deserialize)]
    struct Said<T> {
        status: Status,
        data: Data<T>,
    }
    #[derive(Deserialize)]
    struct Data<T> {
        result: Vec<Series<T>>,
    }
    #[derive(Deserialize)]
    struct Series<T> {
        metric: BTreeMap<String, String>,
        #[serde(alias = "values")]
        value: T,
    }
    let said: Said<T> = serde_json::from_slice(body).ok()?;
    let Status::Success = said.status else {
        return None;
    };
    let series = said.data.result.into_iter();
    Some(series.map(|one| (one.metric, one.value)).collect())
}

#[derive(Deserialize)]
struct Answer<'a> {
    status: Status,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Error,
    Success,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    result: Vec<Series<'a>>,
}

#[derive(Deserialize)]
struct Series<'a> {
    #[serde(borrow)]
    metric: Labels<'a>,
    /// The time, and the value as text.
    #[serde(borrow)]
    value: (f64, Cow<'a, str>),
}

/// Most series: three thousand keys on ten hosts, each with eight numbers.
const MAX_SERIES: usize = 250_000;

/// Most characters of a refusal that are logged.
const MAX_REASON: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_with_their_labels_and_values() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"m","run_id":"r1","instance":"edge-1","scope":"key","name":"team-a","kind":"input","job":"x"},"value":[1794312000.5,"12.5"]},
            {"metric":{"name":"\u00e9"},"value":[1794312000,"NaN"]},
            {"metric":{"name":"\u00e9"},"value":[1794312000,"+Inf"]},
            {"metric":{},"value":[1794312000,"-1e-9"]}]},"warnings":["w"]}"#;
        let samples = parse(body).expect("an answer");
        assert_eq!(samples.len(), 2);
        let (labels, value) = &samples[0];
        assert_eq!(
            (&*labels.metric, &*labels.instance, &*labels.name),
            ("m", "edge-1", "team-a")
        );
        assert_eq!((&*labels.kind, *value), ("input", 12.5));
        assert_eq!(samples[1], (Labels::default(), -1e-9));
    }

    #[test]
    fn what_is_no_answer() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"status":"success"}"#,
            r#"{"status":"maybe","data":{"resultType":"vector","result":[]}}"#,
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["1"]}]}}"#,
        ] {
            assert_eq!(parse(body.as_bytes()), Err(Fault::Malformed), "{body}");
        }
        let refused = format!(
            r#"{{"status":"error","errorType":"bad_data","error":"{}"}}"#,
            "x".repeat(1000)
        );
        let Err(Fault::Refused(why)) = parse(refused.as_bytes()) else {
            panic!("refused");
        };
        assert_eq!(why.len(), MAX_REASON);
    }
}
