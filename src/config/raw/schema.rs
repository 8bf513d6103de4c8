//! The JSON Schema of the configuration file, for editors.
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Raw;
use super::values::NEEDED;

/// The JSON Schema of `weir.yaml`, generated from the raw types. It is published as `conf/weir.schema.json`.
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Raw>()
        .to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "weir.yaml".into());
    }
    require(&mut schema);
    schema
}

/// Converts the marks of needed members to `required`.
fn require(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(require),
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                let mut needed = Vec::new();
                for (name, property) in properties.iter_mut() {
                    let property = property.as_object_mut();
                    if property.is_some_and(|property| property.remove(NEEDED).is_some()) {
                        needed.push(Value::from(name.as_str()));
                    }
                }
                // The generator lists every member as required, because all of them are plain types to it.
                object.remove("required");
                if !needed.is_empty() {
                    object.insert("required".to_owned(), needed.into());
                }
            }
            object.values_mut().for_each(require);
        }
        _ => {}
    }
}
