//! The rig itself: every component can be had and answers.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use freshet_testkit::services::{Hdfs, IcebergRest, Kafka, Readers, S3};
use std::io::{Read, Write};
use std::net::TcpStream;

fn http(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn kafka_answers() {
    let kafka = Kafka::start().unwrap();
    // ApiVersions, version 0, correlation id 7: the answer repeats the id and has no error.
    let mut stream = TcpStream::connect(kafka.address()).unwrap();
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0, 0]).unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[4..], [0, 0, 0, 7, 0, 0]);
}

#[test]
fn hdfs_answers() {
    assert!(Hdfs::start().unwrap().url().starts_with("hdfs://127.0.0.1:"));
}

#[test]
fn s3_answers() {
    let s3 = S3::start().unwrap();
    assert!(http(&s3.endpoint(), "/").starts_with("HTTP/1.1 200"));
}

#[test]
fn the_rest_catalog_answers() {
    let rest = IcebergRest::start().unwrap();
    assert!(http(&rest.uri(), "/v1/config").contains("defaults"));
}

#[test]
fn foreign_readers_are_there() {
    assert!(Readers::get().unwrap().python().exists());
}
