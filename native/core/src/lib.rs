pub mod avro;
