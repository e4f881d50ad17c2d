//! A headless Chromium, driven by chromedriver: <https://www.w3.org/TR/webdriver2/>.

use cfr_testkit::{Run, Running, Scratch, find_program, read_foreign_json, skip, until};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// The name of an element in WebDriver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long an answer may take on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// The sandbox needs a user other than root. The other options keep the browser from the network.
const OPTIONS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--disable-crash-reporter",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one window.
pub struct Browser {
    port: u16,
    session: String,
    /// Its process group is killed if the value is dropped.
    _driver: Running,
    _files: Scratch,
}

impl Browser {
    /// Starts the browser; if it is not installed, skips the test and returns `None`.
    pub fn start(test: &str) -> Option<Browser> {
        let (Some(chromium), Some(driver)) =
            (find_program("chromium"), find_program("chromedriver"))
        else {
            skip(test, "chromium or chromedriver is not installed");
            return None;
        };
        let files = Scratch::new();
        let said = files.file("driver");
        let driver = Run::bare(driver)
            .args(["--port=0"])
            .env("HOME", files.path())
            .env("TMPDIR", files.path())
            .stdout(&said)
            .start();
        let port = || {
            let text = fs::read_to_string(&said).unwrap();
            let (_, port) = text.split_once("started successfully on port ")?;
            port.split_once('.')?.0.parse().ok()
        };
        until(|| port().is_some(), "chromedriver has started");
        let profile = format!("--user-data-dir={}", files.file("profile").display());
        let mut options = OPTIONS.to_vec();
        options.push(&profile);
        let wanted = json!({"binary": chromium, "args": options});
        let wanted = json!({"alwaysMatch": {"goog:chromeOptions": wanted}});
        let mut browser = Browser {
            port: port().unwrap(),
            session: String::new(),
            _driver: driver,
            _files: files,
        };
        let session = browser.post("", &json!({"capabilities": wanted}));
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// Opens a file, with a fragment of the address.
    pub fn open(&self, page: &Path, fragment: &str) {
        // An address that differs only in its fragment would not load the page again.
        self.post("/url", &json!({"url": "about:blank"}));
        self.post("/url", &json!({"url": format!("file://{}{fragment}", page.display())}));
    }

    /// Runs a script in the page and returns what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Clicks on the first element that a CSS selector finds.
    pub fn click(&self, selector: &str) {
        self.post(&format!("/element/{}/click", self.find(selector)), &json!({}));
    }

    /// Types into an element. U+E007 is the key Enter.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Shows pages in this width, in CSS pixels, and in a colour scheme: light or dark.
    pub fn show_as(&self, width: u32, scheme: &str) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Sends a command of the DevTools protocol.
    pub fn command(&self, name: &str, values: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": name, "params": values}))
    }

    fn find(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut driver = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        driver.set_read_timeout(Some(MAX_WAIT)).unwrap();
        write!(
            driver,
            "POST /session{}{path} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.session,
            body.len()
        )
        .unwrap();
        // The driver keeps the connection open.
        let mut driver = BufReader::new(driver);
        let mut head = String::new();
        let mut len = 0;
        while driver.read_line(&mut head).unwrap() > 2 {
            let line = head.lines().last().unwrap().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                len = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; len];
        driver.read_exact(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        read_foreign_json(&answer)["value"].take()
    }
}
