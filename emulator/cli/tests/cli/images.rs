//! `glassbox image`.

use crate::common::{Bench, glassbox, parts};
use serde_json::Value;

/// Runs `glassbox image`; asserts the exit code; returns what it wrote, first to
/// standard output, then to standard error.
fn image(args: &[&str], code: i32) -> (String, String) {
    let (got, out, message) = parts(&glassbox(&[&["image"], args].concat()));
    assert_eq!(got, code, "{args:?}: {out}{message}");
    (out, message)
}

fn info(path: &str) -> Value {
    serde_json::from_str(&image(&["info", "--json", path], 0).0).unwrap()
}

#[test]
fn an_image_goes_round_through_the_formats() {
    let bench = Bench::new();
    let disk: Vec<u8> =
        (0..3 << 20).map(|n: u32| if n >> 18 & 1 == 0 { 0 } else { (n / 777) as u8 }).collect();
    let raw = bench.file("disk.img", &disk);
    let (qcow2, copy) = (bench.file("disk.qcow2", b"something"), bench.file("copy.raw", b"else"));
    let (_, message) = image(&["convert", &raw, &qcow2], 1);
    assert!(message.contains("--force"), "{message}");
    assert_eq!(std::fs::read(&qcow2).unwrap(), b"something");
    image(&["convert", "--force", &raw, &qcow2], 0);
    image(&["check", &qcow2], 0);
    image(&["check", &raw], 63);
    image(&["convert", &qcow2, &copy, "--force"], 0);
    assert!(std::fs::read(&copy).unwrap() == disk);
    let value = info(&qcow2);
    assert_eq!((&value["format"], &value["disk_bytes"]), (&"qcow2".into(), &(3 << 20).into()));
    let (text, _) = image(&["info", &qcow2], 0);
    assert!(text.contains("disk:      3 MiB (3145728 bytes)"), "{text}");
}

#[test]
fn an_overlay_is_made_filled_and_committed() {
    let bench = Bench::new();
    let base = bench.file("base.img", &[7; 1 << 20]);
    let top = bench.path("top.qcow2").to_str().unwrap().to_owned();
    image(&["create", "--backing", "base.img", &top], 0);
    assert_eq!(info(&top)["qcow2"]["backing"]["format"], "raw");
    assert_eq!(info(&top)["disk_bytes"], 1 << 20);
    image(&["create", "--backing", "base.img", &top], 1);
    let (out, message) = image(&["commit", &top], 0);
    assert!(out.is_empty() && message.contains("base.img"), "{out}{message}");
    assert_eq!(std::fs::read(base).unwrap(), [7; 1 << 20]);
    image(&["commit", &bench.file("alone.img", &[0; 512])], 1);
}

#[test]
fn new_images_need_a_size_and_a_format() {
    let bench = Bench::new();
    let at = |name: &str| bench.path(name).to_str().unwrap().to_owned();
    image(&["create", &at("a.qcow2"), "10G"], 0);
    assert_eq!(info(&at("a.qcow2"))["disk_bytes"], 10_u64 << 30);
    image(&["create", &at("a.img"), "16"], 0);
    assert_eq!(std::fs::metadata(at("a.img")).unwrap().len(), 16 << 20);
    image(&["create", &at("b.qcow2")], 1);
    image(&["create", &at("noname"), "1M"], 1);
    image(&["create", &at("noname"), "1M", "--format", "qcow2"], 0);
    let (_, message) = image(&["create", &at("c.vmdk"), "1M"], 1);
    assert!(message.contains("raw or qcow2"), "{message}");
    assert!(!bench.path("c.vmdk").exists());
    image(&["create", &at("d.qcow2"), "huge"], 2);
}

#[test]
fn a_damaged_image_is_told_from_one_that_has_lost_room() {
    let bench = Bench::new();
    let path = bench.path("disk.qcow2").to_str().unwrap().to_owned();
    image(&["create", &path, "64M"], 0);
    let good = std::fs::read(&path).unwrap();
    // The counts are in the third cluster: of the header, and of the cluster behind all.
    let mut lost = good.clone();
    lost.resize(good.len() + 65536, 0);
    let count = 2 * 65536 + 2 * (good.len() / 65536);
    lost[count + 1] = 1;
    bench.file("disk.qcow2", &lost);
    let (text, _) = image(&["check", &path], 3);
    assert!(text.contains("1 clusters are lost room"), "{text}");
    let mut bad = good;
    bad[2 * 65536 + 1] = 0;
    bench.file("disk.qcow2", &bad);
    let (text, _) = image(&["check", "--json", &path], 2);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["errors"], 1);
    let junk = bench.file("junk.qcow2", &[b"QFI\xfb\0\0\0\x03".to_vec(), vec![0xFF; 504]].concat());
    let (_, message) = image(&["check", &junk], 1);
    assert!(message.contains("junk.qcow2 is damaged"), "{message}");
}
