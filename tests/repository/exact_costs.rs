//! The goals that can be held exactly: instructions, system calls, bytes and names. The bench
//! `figures` prints them, and the times.

use cfr_testkit::skip;
pub use exact::EXPORTS;
use exact::{
    ACROSS_SYSTEM_CALLS, COUNTED_SYSTEM_CALLS, Calls, DEFAULT_SYSTEM_CALLS, DENIED_SYSTEM_CALLS,
    DIALECTS, Driver, EMULATED_SYSTEM_CALLS, FORWARD_INSTRUCTIONS, FORWARD_SYSTEM_CALLS, Goal,
    IN_STEP_SYSTEM_CALLS, JSON_INSTRUCTIONS, LOAD_INSTRUCTIONS, LOAD_SYSTEM_CALLS, OPTIONAL,
    PASSING_INSTRUCTIONS, REFUSED_INSTRUCTIONS, REQUIRED, SIZE, Shipped, TEXT_INSTRUCTIONS,
    TEXT_WRITES, Way,
};

#[path = "../../benches/figures/exact.rs"]
mod exact;

/// Holds a figure to its goal; where it cannot be measured, `test` is skipped.
#[track_caller]
fn hold(test: &str, goal: Goal, measure: impl FnOnce() -> Result<f64, String>) {
    match measure() {
        Ok(measured) => assert!(goal.contains(&measured), "{measured} is not in {goal:?}"),
        Err(reason) => skip(test, &reason),
    }
}

#[test]
fn an_unlogged_call_takes_few_instructions() {
    hold("an_unlogged_call_takes_few_instructions", FORWARD_INSTRUCTIONS, || {
        Driver::new()?.more_instructions(Way::OFF, Calls::COPY)
    });
}

#[test]
fn an_unlogged_call_that_is_refused_takes_few_instructions() {
    for calls in Calls::REFUSED {
        hold(
            "an_unlogged_call_that_is_refused_takes_few_instructions",
            REFUSED_INSTRUCTIONS,
            || Driver::new()?.more_instructions(Way::OFF, calls),
        );
    }
}

/// Behind EPERM a filter may hide the call, and only a second call tells.
#[test]
fn an_unlogged_call_that_is_denied_is_asked_about_once() {
    hold("an_unlogged_call_that_is_denied_is_asked_about_once", DENIED_SYSTEM_CALLS, || {
        let counts = Driver::new()?.system_calls(Way::OFF, Calls::DENIED)?;
        assert_eq!(counts.keys().collect::<Vec<_>>(), ["copy_file_range"]);
        Ok(counts.values().sum())
    });
}

#[test]
fn an_unlogged_call_makes_no_other_system_call() {
    hold("an_unlogged_call_makes_no_other_system_call", FORWARD_SYSTEM_CALLS, || {
        let driver = Driver::new()?;
        let [copy, fail] =
            [Calls::COPY, Calls::FAIL].map(|calls| driver.more_system_calls(Way::OFF, calls));
        Ok(copy? + fail?)
    });
}

/// Where the kernel leads, nothing is gathered, judged or asked beside it.
#[test]
fn a_call_in_a_dialect_of_the_kernels_is_one_system_call() {
    for (dialect, way) in DIALECTS {
        if !matches!(dialect, "extended" | "linux-5.3" | "linux-5.19") {
            continue;
        }
        hold("a_call_in_a_dialect_of_the_kernels_is_one_system_call", DEFAULT_SYSTEM_CALLS, || {
            let counts = Driver::new()?.system_calls(way, Calls::COPY)?;
            assert!(counts.contains_key("copy_file_range"), "{dialect}: {counts:?}");
            Ok(counts.values().sum())
        });
    }
}

#[test]
fn a_call_that_is_counted_takes_few_system_calls() {
    hold("a_call_that_is_counted_takes_few_system_calls", COUNTED_SYSTEM_CALLS, || {
        let counts = Driver::new()?.system_calls(Way::COUNTED, Calls::COPY)?;
        assert_eq!(counts.get("readlinkat"), Some(&2.0), "{counts:?}");
        Ok(counts.values().sum())
    });
}

#[test]
fn a_byte_that_the_library_copies_takes_few_system_calls() {
    hold("a_byte_that_the_library_copies_takes_few_system_calls", EMULATED_SYSTEM_CALLS, || {
        let counts = Driver::new()?.system_calls(Way::EMULATED, Calls::APART)?;
        assert!(counts.contains_key("pread64") && counts.contains_key("pwrite64"), "{counts:?}");
        Ok(counts.values().sum())
    });
}

/// A target that ends where the source's range begins is not asked whether it is the source.
#[test]
fn a_byte_that_is_appended_takes_few_system_calls() {
    hold("a_byte_that_is_appended_takes_few_system_calls", IN_STEP_SYSTEM_CALLS, || {
        let counts = Driver::new()?.system_calls(Way::EMULATED, Calls::COPY)?;
        assert_eq!(counts.get("statx"), Some(&1.0), "{counts:?}");
        Ok(counts.values().sum())
    });
}

#[test]
fn a_page_to_another_filesystem_takes_few_system_calls() {
    hold("a_page_to_another_filesystem_takes_few_system_calls", ACROSS_SYSTEM_CALLS, || {
        let counts = Driver::new()?.system_calls(Way::ACROSS, Calls::ACROSS)?;
        assert!(counts.contains_key("pread64") && counts.contains_key("pwrite64"), "{counts:?}");
        assert_eq!(counts.get("fallocate"), Some(&1.0), "{counts:?}");
        Ok(counts.values().sum())
    });
}

#[test]
fn calls_that_are_not_ours_pass_through_syscall_in_few_instructions() {
    hold(
        "calls_that_are_not_ours_pass_through_syscall_in_few_instructions",
        PASSING_INSTRUCTIONS,
        || Driver::new()?.more_instructions(Way::TEXT, Calls::ANOTHER_NUMBER),
    );
}

#[test]
fn requests_that_are_not_ours_pass_through_ioctl_in_few_instructions() {
    hold(
        "requests_that_are_not_ours_pass_through_ioctl_in_few_instructions",
        PASSING_INSTRUCTIONS,
        || Driver::new()?.more_instructions(Way::TEXT, Calls::ANOTHER_REQUEST),
    );
}

#[test]
fn a_text_line_takes_few_instructions() {
    hold("a_text_line_takes_few_instructions", TEXT_INSTRUCTIONS, || {
        Driver::new()?.more_instructions(Way::TEXT, Calls::COPY)
    });
}

#[test]
fn a_json_line_takes_few_instructions() {
    hold("a_json_line_takes_few_instructions", JSON_INSTRUCTIONS, || {
        Driver::new()?.more_instructions(Way::JSON, Calls::COPY)
    });
}

#[test]
fn a_text_line_is_one_write() {
    hold("a_text_line_is_one_write", TEXT_WRITES, || {
        Ok(exact::writes(&Driver::new()?.system_calls(Way::TEXT, Calls::COPY)?))
    });
}

#[test]
fn loading_makes_no_system_call() {
    hold("loading_makes_no_system_call", LOAD_SYSTEM_CALLS, || {
        exact::system_calls_at_load(&Shipped::new()?.path, Way::OFF)
    });
}

#[test]
fn the_file_is_small_and_exports_only_what_it_must() {
    let shipped = match Shipped::new() {
        Ok(shipped) => shipped,
        Err(reason) => {
            skip(
                "repository::exact_costs::the_file_is_small_and_exports_only_what_it_must",
                &reason,
            );
            return;
        }
    };
    assert!(SIZE.contains(&shipped.bytes), "{} bytes", shipped.bytes);
    assert_eq!(shipped.exports, EXPORTS);
}

/// One file is loaded by every C library: it names no library and no version of a symbol.
#[test]
fn the_file_needs_no_library_and_few_symbols() {
    let shipped = match Shipped::new() {
        Ok(shipped) => shipped,
        Err(reason) => {
            skip("repository::exact_costs::the_file_needs_no_library_and_few_symbols", &reason);
            return;
        }
    };
    assert_eq!(shipped.needs, [""; 0]);
    let may_be = |names: &[&str], name: &String| names.contains(&&**name);
    assert_eq!(shipped.required, REQUIRED);
    assert!(shipped.optional.iter().all(|name| may_be(&OPTIONAL, name)), "{:?}", shipped.optional);
    assert!(shipped.needs_nothing());
}

#[test]
fn loading_takes_few_instructions() {
    hold("loading_takes_few_instructions", LOAD_INSTRUCTIONS, || {
        exact::instructions_at_load(&Shipped::new()?.path, Way::OFF)
    });
}
