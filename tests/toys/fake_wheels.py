"""Small wheels and manifests for the tests of the sources."""

import hashlib
import io
import zipfile

import polars as pl


def make_wheel(folder, name, version, members):
    """Write a wheel with the given members (text, bytes or data frame) and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            if isinstance(content, pl.DataFrame):
                buffer = io.BytesIO()
                content.write_parquet(buffer)
                content = buffer.getvalue()
            archive.writestr(zipfile.ZipInfo(member), content)
    return path


def write_lock(path, wheels):
    """Pin wheels as they are now."""
    lines = ["# a manifest", ""]
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}  # why")
    path.write_text("\n".join(lines) + "\n")
    return path


def damage(path):
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def read_folder(folder):
    """Every file's bytes by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
