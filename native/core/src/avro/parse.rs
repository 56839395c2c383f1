//! Parses schema JSON (Avro 1.12, "Schema Declaration" and "Names").

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::schema::{Field, SchemaError, Type, TypeId};

/// More types than any crawl event needs; bounds the work that a hostile schema can cause.
const MAX_TYPES: usize = 16_384;

/// Collects the types of one schema after the other.
#[derive(Default)]
pub(super) struct Parser {
    pub(super) types: Vec<Type>,
    names: HashMap<String, TypeId>,
}

impl Parser {
    /// `serde_json` limits how deep a document nests, which bounds the recursion from here.
    pub(super) fn document(&mut self, text: &str, what: &str) -> Result<TypeId, SchemaError> {
        let json: Value = serde_json::from_str(text)
            .map_err(|error| SchemaError::new(format!("{what} is not JSON: {error}")))?;
        self.kind(&json, "")
    }

    fn add(&mut self, kind: Type) -> Result<TypeId, SchemaError> {
        if self.types.len() == MAX_TYPES {
            return Err(SchemaError::new(format!(
                "the schema has more than {MAX_TYPES} types"
            )));
        }
        self.types.push(kind);
        Ok(self.types.len() - 1)
    }

    fn kind(&mut self, json: &Value, namespace: &str) -> Result<TypeId, SchemaError> {
        match json {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => {
                let branches: Vec<TypeId> = branches
                    .iter()
                    .map(|branch| self.kind(branch, namespace))
                    .collect::<Result<_, _>>()?;
                if branches
                    .iter()
                    .any(|&branch| matches!(self.types[branch], Type::Union(_)))
                {
                    return Err(SchemaError::new("a union holds a union"));
                }
                self.add(Type::Union(branches))
            }
            Value::Object(object) => self.object(object, namespace),
            _ => Err(SchemaError::new(
                "a type is neither a name, nor a list, nor an object",
            )),
        }
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<TypeId, SchemaError> {
        let primitive = match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "int" | "long" => Type::Integer,
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::String,
            _ => {
                // As Avro's own implementations: the enclosing namespace first, then none.
                let known = self
                    .names
                    .get(&full_name(name, namespace))
                    .or_else(|| self.names.get(name));
                return known
                    .copied()
                    .ok_or_else(|| SchemaError::new(format!("the type {name} is not defined")));
            }
        };
        self.add(primitive)
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
    ) -> Result<TypeId, SchemaError> {
        let kind = object
            .get("type")
            .ok_or_else(|| SchemaError::new("a type without the attribute \"type\""))?;
        match kind.as_str() {
            Some("array") => {
                let items = self.part(object, "array", "items", namespace)?;
                self.add(Type::Array(items))
            }
            Some("map") => {
                let values = self.part(object, "map", "values", namespace)?;
                self.add(Type::Map(values))
            }
            Some("fixed") => {
                let size = object
                    .get("size")
                    .and_then(Value::as_u64)
                    .and_then(|size| u32::try_from(size).ok())
                    .ok_or_else(|| SchemaError::new("a fixed without a usable \"size\""))?;
                let (id, _) = self.define(object, namespace, Type::Fixed(size))?;
                Ok(id)
            }
            Some("enum") => {
                let symbols = strings(object, "symbols")
                    .ok_or_else(|| SchemaError::new("an enum without a usable \"symbols\""))?
                    .into_iter()
                    .map(String::into_boxed_str)
                    .collect();
                let (id, _) = self.define(object, namespace, Type::Enum(symbols))?;
                Ok(id)
            }
            Some("record" | "error") => self.record(object, namespace),
            _ => self.kind(kind, namespace),
        }
    }

    fn part(
        &mut self,
        object: &Map<String, Value>,
        kind: &str,
        attribute: &str,
        namespace: &str,
    ) -> Result<TypeId, SchemaError> {
        let part = object.get(attribute).ok_or_else(|| {
            SchemaError::new(format!(
                "a type {kind} without the attribute \"{attribute}\""
            ))
        })?;
        self.kind(part, namespace)
    }

    fn record(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
    ) -> Result<TypeId, SchemaError> {
        // Named before its fields are parsed: they may refer to it.
        let (id, namespace) = self.define(object, namespace, Type::Record(Vec::new()))?;
        let list = object
            .get("fields")
            .and_then(Value::as_array)
            .ok_or_else(|| SchemaError::new("a record without a list \"fields\""))?;
        let mut fields = Vec::with_capacity(list.len());
        let mut taken = HashSet::new();
        for field in list {
            let name = field
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| SchemaError::new("a field without a usable \"name\""))?;
            if !taken.insert(name) {
                return Err(SchemaError::new(format!(
                    "the field {name} occurs twice in one record"
                )));
            }
            let kind = field.get("type").ok_or_else(|| {
                SchemaError::new(format!("the field {name} has no attribute \"type\""))
            })?;
            let kind = self.kind(kind, &namespace)?;
            let aliases = field
                .as_object()
                .and_then(|field| strings(field, "aliases"))
                .unwrap_or_default();
            fields.push(Field {
                name: name.to_owned(),
                aliases,
                kind,
            });
        }
        self.types[id] = Type::Record(fields);
        Ok(id)
    }

    /// Adds a named type. Returns it and the namespace in which names inside it are looked up.
    fn define(
        &mut self,
        object: &Map<String, Value>,
        enclosing: &str,
        kind: Type,
    ) -> Result<(TypeId, String), SchemaError> {
        let name = object.get("name").and_then(Value::as_str).ok_or_else(|| {
            SchemaError::new(format!("a type {} without a usable \"name\"", kind.kind()))
        })?;
        let namespace = match name.rsplit_once('.') {
            Some((namespace, _)) => namespace,
            None => object
                .get("namespace")
                .and_then(Value::as_str)
                .unwrap_or(enclosing),
        };
        let full = full_name(name, namespace);
        if self.names.contains_key(&full) {
            return Err(SchemaError::new(format!(
                "the type {full} is defined twice"
            )));
        }
        let id = self.add(kind)?;
        self.names.insert(full, id);
        Ok((id, namespace.to_owned()))
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn strings(object: &Map<String, Value>, attribute: &str) -> Option<Vec<String>> {
    object
        .get(attribute)?
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}
