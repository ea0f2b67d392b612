"""Prints the folder of a whole libtorch in the cache, after fetching it there where need be.

    python3 scripts/fetch_libtorch.py CACHE HOST        (HOST: Rust's host triple)

The wheels come through pip, pinned by hash. They are unpacked in a scratch folder inside CACHE,
checked against their own RECORD, and put in place by one rename: what has the final name was
whole when it got it. MANIFEST, written last, shows what went missing or was cut short later.
"""

import base64
import contextlib
import csv
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile

TORCH = "2.13.0"  # what tch 0.26 asks for
MANIFEST = "neuromfa-manifest.json"
SCRATCH = ".fetch-"
ROOM = 1.2e9  # bytes: pip holds the largest wheel twice for a moment

# (requirement, platform tag, sha256) of each wheel. torch's are those of CPython 3.12, whatever
# python3 runs this: their C++ part is the same. The Linux ones are CUDA builds, and their
# libtorch_cpu.so wants the two small NVIDIA libraries even where there is no GPU.
WHEELS = {
    "x86_64-unknown-linux-gnu": [
        ("torch==" + TORCH, "manylinux_2_28_x86_64",
         "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b"),
        ("nvidia-cuda-runtime==13.0.96", "manylinux2014_x86_64",
         "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
        ("nvidia-cuda-cupti==13.0.85", "manylinux_2_25_x86_64",
         "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"),
    ],
    "aarch64-unknown-linux-gnu": [
        ("torch==" + TORCH, "manylinux_2_28_aarch64",
         "572df8be8ffb4599c88cbd6a0726f1f854f4da65d2e3c09f0e2c2283333cd6d4"),
        ("nvidia-cuda-runtime==13.0.96", "manylinux2014_aarch64",
         "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55"),
        ("nvidia-cuda-cupti==13.0.85", "manylinux_2_25_aarch64",
         "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151"),
    ],
    "aarch64-apple-darwin": [
        ("torch==" + TORCH, "macosx_14_0_arm64",
         "2fe228aba290d14b9f31b049be550dbd469c3fd3013d7a19705b30454da97027"),
    ],
}

# Of torch/lib, what tch does not link: 0.5 GB. Without libtorch_cuda torch-sys links the CPU part.
LEFT_OUT = ("libtorch_cuda", "libtorch_nvshmem", "libtorch_python", "libtorch_global_deps",
            "libc10_cuda", "libcaffe2_nvrtc", "libshm")
FROM_NVIDIA = ("libcudart.so.13", "libcupti.so.13")


def say(text):
    print("libtorch: " + text, file=sys.stderr, flush=True)


def place(name):
    """Where a wheel's file goes under the libtorch folder; None leaves it out."""
    folder, _, base = name.rpartition("/")
    if name.startswith("torch/include/"):
        return name[len("torch/"):]
    if folder == "torch/lib" and base.startswith("lib") and not base.startswith(LEFT_OUT):
        return "lib/" + base
    if name.startswith("nvidia/") and base in FROM_NVIDIA:
        return "lib/" + base
    return None


def damage(root, wheels):
    """What is wrong with the libtorch in `root`; None if it is whole."""
    try:
        with open(os.path.join(root, MANIFEST), encoding="utf-8") as file:
            manifest = json.load(file)
        if manifest["wheels"] != [sha256 for _, _, sha256 in wheels]:
            return "it was made from other wheels"
        for path, size in manifest["sizes"].items():
            found = os.path.getsize(os.path.join(root, path))
            if found != size:
                return "%s has %d bytes, not %d" % (path, found, size)
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    return None


def download(wheel, folder):
    """Fetches one wheel with pip into `folder`; gives its path."""
    requirement, platform, sha256 = wheel
    os.mkdir(folder)
    listed = os.path.join(folder, "requirements.txt")
    with open(listed, "w", encoding="utf-8") as file:
        file.write("%s --hash=sha256:%s\n" % (requirement, sha256))
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir",
        "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.12",
        "--abi", "cp312", "--platform", platform, "--require-hashes", "-r", listed, "-d", folder,
    ]
    if not sys.stderr.isatty():
        command.append("-q")
    # pip downloads to TMPDIR first, which may be too small for half a gigabyte.
    settings = dict(os.environ, TMPDIR=folder, PIP_REQUIRE_VIRTUALENV="0")
    for _ in range(2):
        if subprocess.run(command, stdout=sys.stderr, env=settings).returncode == 0:
            (found,) = (name for name in os.listdir(folder) if name.endswith(".whl"))
            return os.path.join(folder, found)
    sys.exit("libtorch: pip could not fetch %s (it says above why); once that is mended, run this "
             "again, or set LIBTORCH to a libtorch of your own" % requirement)


def unpack(wheel, root):
    """Unpacks what `place` names, checked against the wheel's RECORD; gives paths and sizes."""
    sizes = {}
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (n for n in archive.namelist() if n.endswith(".dist-info/RECORD"))
        for name, digest, size in csv.reader(archive.read(record).decode().splitlines()):
            path = place(name)
            if path is None:
                continue
            target = os.path.join(root, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(name) as packed, open(target, "wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)
            got = hashlib.sha256()
            with open(target, "rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    got.update(block)
            got = base64.urlsafe_b64encode(got.digest()).decode().rstrip("=")
            if digest != "sha256=" + got or os.path.getsize(target) != int(size):
                sys.exit("libtorch: %s came out of its wheel damaged; run this again" % name)
            sizes[path] = int(size)
    return sizes


def fetch(cache, root, wheels):
    free = shutil.disk_usage(cache).free
    if free < ROOM:
        sys.exit("libtorch: %s has %.1f GB free and the fetch needs %.1f: make room, or set "
                 "NEUROMFA_CACHE to another place" % (cache, free / 1e9, ROOM / 1e9))
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache) as scratch:
        fresh = os.path.join(scratch, "libtorch")
        os.mkdir(fresh)
        sizes = {}
        for number, wheel in enumerate(wheels):
            say("fetching " + wheel[0])
            folder = os.path.join(scratch, str(number))
            sizes.update(unpack(download(wheel, folder), fresh))
            shutil.rmtree(folder)
        with open(os.path.join(fresh, "build-version"), "w", encoding="utf-8") as file:
            file.write(TORCH + "\n")  # torch-sys compares it with the version it wants
        with open(os.path.join(fresh, MANIFEST), "w", encoding="utf-8") as file:
            json.dump({"wheels": [sha256 for _, _, sha256 in wheels], "sizes": sizes}, file)
        os.sync()  # or a power cut could leave the name without the bytes
        if damage(root, wheels):  # else another run was first: not every file system has locks
            shutil.rmtree(root, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.rename(fresh, root)
    wrong = damage(root, wheels)
    if wrong:
        sys.exit("libtorch: %s is not whole after the fetch (%s); run this again" % (root, wrong))


def locked(file):
    """Waits until no other run fetches; False where the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another run that fetches it")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def main(cache, host):
    if host not in WHEELS:
        sys.exit("libtorch: nothing to fetch for %s; set LIBTORCH to a libtorch %s of your own"
                 % (host, TORCH))
    wheels = WHEELS[host]
    cache = os.path.abspath(cache)
    root = os.path.join(cache, "libtorch-%s-%s" % (TORCH, host))
    if damage(root, wheels):
        os.makedirs(cache, exist_ok=True)
        with open(os.path.join(cache, ".lock"), "w", encoding="utf-8") as lock:
            if locked(lock):
                for name in os.listdir(cache):
                    if name.startswith(SCRATCH):  # left by a run that was killed
                        shutil.rmtree(os.path.join(cache, name), ignore_errors=True)
            wrong = damage(root, wheels)
            if wrong:
                if os.path.exists(root):
                    say("%s is damaged (%s); fetching it again" % (root, wrong))
                fetch(cache, root, wheels)
    print(root)


if __name__ == "__main__":
    # An orderly end, so that the scratch folder goes.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit("libtorch: stopped"))
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("libtorch: stopped")
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit("libtorch: %s" % error)
