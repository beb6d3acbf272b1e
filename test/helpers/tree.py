"""Lists directory trees with all of their metadata.

usage: tree.py NAME DIR...

One JSON object a line: the entries of the first tree sorted by path, the
directory itself first, as "."; an empty line; then the next tree. Bytes of a
path, link target or attribute name that are not UTF-8 become lone surrogates
(surrogateescape). Directories called NAME are listed but not entered, unless
NAME is empty. Never follows a symbolic link.
"""

import hashlib
import json
import os
import stat
import sys

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def content_hash(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def xattrs(path):
    return {
        name: os.getxattr(path, name, follow_symlinks=False).hex()
        for name in sorted(os.listxattr(path, follow_symlinks=False))
    }


def describe(path, name, first_names):
    status = os.lstat(path)
    kind = TYPES[stat.S_IFMT(status.st_mode)]
    entry = {
        "path": name,
        "type": kind,
        "mode": format(stat.S_IMODE(status.st_mode), "04o"),
        "owner": f"{status.st_uid}:{status.st_gid}",
        "mtime": f"{status.st_mtime_ns // 10**9}.{status.st_mtime_ns % 10**9:09d}",
        "xattrs": xattrs(path),
    }
    if kind != "directory":
        # Which names are one inode, told without inode numbers.
        inode = (status.st_dev, status.st_ino)
        entry["links"] = status.st_nlink
        entry["inode"] = first_names.setdefault(inode, name)
        entry["size"] = status.st_size
    if kind == "file":
        entry["sha256"] = content_hash(path)
    if kind == "symlink":
        entry["target"] = os.readlink(path)
    if kind in ("char", "block"):
        entry["device"] = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return entry


def list_tree(root, prune):
    first_names = {}
    print(json.dumps(describe(root, ".", first_names)))

    def walk(folder, prefix):
        for name in sorted(os.listdir(folder), key=os.fsencode):
            path = os.path.join(folder, name)
            entry = describe(path, prefix + name, first_names)
            print(json.dumps(entry))
            if entry["type"] == "directory" and name != prune:
                walk(path, prefix + name + "/")

    walk(root, "")
    print()


sys.setrecursionlimit(10_000)
for directory in sys.argv[2:]:
    list_tree(directory, sys.argv[1])
