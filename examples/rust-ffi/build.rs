//! Links with the libcfr that pkg-config knows; PKG_CONFIG_PATH names one of another prefix.

fn main() {
    let library = pkg_config::Config::new().atleast_version("0.1").probe("cfr");
    let library = library.unwrap_or_else(|error| panic!("libcfr is not installed: {error}"));
    for directory in library.link_paths {
        // The program also finds the library at run time. Drop this if the library is in a directory
        // of the dynamic linker.
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", directory.display());
    }
}
