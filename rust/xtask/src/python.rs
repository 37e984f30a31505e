//! Python environments with packages of their own.

use std::path::{Path, PathBuf};

use sluice_testkit::{Context, Result};

use crate::checkout::Checkout;
use crate::stamp::Stamp;
use crate::{install, step};

/// The folder of the programs of an environment in `folder` that has the packages of `requirements`, a file in the checkout.
pub fn programs(checkout: &Checkout, folder: &Path, requirements: &str, why: &str) -> Result<PathBuf> {
    let name = folder.file_name().unwrap_or_default().display();
    std::fs::create_dir_all(folder).at(folder)?;
    let programs = folder.join("venv/bin");
    let python = programs.join("python");
    let stamp = Stamp::over(folder.join("python.stamp"), &checkout.root, &[requirements])?;
    if !stamp.is_fresh() || !python.is_file() {
        stamp.clear();
        install_python(checkout)?;
        let mut venv = checkout.command("python3", &["-m", "venv", "--clear"]);
        venv.arg(folder.join("venv"));
        let log = checkout.log(&format!("{name}-venv"));
        step::run(
            "making a Python environment",
            "Python 3.10 or newer; seconds",
            &venv,
            &log,
            step::nothing,
        )?;
        let pip = checkout.command(&python, &["-m", "pip", "install", "--no-input", "-r", requirements]);
        let what = format!("installing the packages of {requirements}");
        step::run(&what, why, &pip, &checkout.log(&format!("{name}-pip")), step::nothing)?;
        stamp.set()?;
    }
    Ok(programs)
}

fn install_python(checkout: &Checkout) -> Result<()> {
    let can_make_environments = checkout.command("python3", &["-c", "import ensurepip, venv"]).output();
    if can_make_environments.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    println!("    no Python here that can make environments");
    install::packages(checkout, &["python3-venv"])
}
