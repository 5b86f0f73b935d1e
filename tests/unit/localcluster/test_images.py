"""When an image is built again, and what travels to the node."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from localcluster import archives, handover
from localcluster.archives import ScratchImage
from localcluster.errors import BuildFailed, CommandFailed
from localcluster.handover import Image, Layer
from localcluster.images import build, inputs_hash, local_images


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "app").mkdir(parents=True)
    (folder / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY app /app\n")
    (folder / "app" / "main.py").write_text("print(1)\n")
    return folder


def key(context: Path, **arguments: str) -> str:
    return inputs_hash(context / "Dockerfile", context, arguments, ["base-1"])


def test_an_unchanged_tree_has_the_same_hash(context: Path) -> None:
    """Touching a file changes nothing that an image would hold."""
    before = key(context)
    (context / "app" / "main.py").touch()
    assert key(context) == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "link", "dockerfile", "argument", "base"])
def test_every_input_counts(context: Path, change: str) -> None:
    """Contents, names, executable bits, links, the Dockerfile, arguments and the base all decide."""
    before = key(context)
    main = context / "app" / "main.py"
    if change == "content":
        main.write_text("print(2)\n")
    elif change == "name":
        main.rename(context / "app" / "other.py")
    elif change == "mode":
        main.chmod(0o755)
    elif change == "link":
        (context / "app" / "link").symlink_to("main.py")
    elif change == "dockerfile":
        (context / "Dockerfile").write_text("FROM scratch\n")
    after = key(context, A="1") if change == "argument" else key(context)
    if change == "base":
        after = inputs_hash(context / "Dockerfile", context, {}, ["base-2"])
    assert after != before


def test_ignored_files_do_not_count(context: Path) -> None:
    """What the builder does not see does not make it build."""
    (context / ".dockerignore").write_text("**/__pycache__\n.dockerignore\n")
    before = key(context)
    cache = context / "app" / "__pycache__"
    cache.mkdir()
    (cache / "main.pyc").write_bytes(b"x")
    assert key(context) == before


def test_contents_cannot_move_between_files_unnoticed(context: Path) -> None:
    """Lengths are part of the hash: the same bytes cut elsewhere are another tree."""
    (context / "a").write_text("xy")
    (context / "b").write_text("z")
    before = key(context)
    (context / "a").write_text("x")
    (context / "b").write_text("yz")
    assert key(context) != before


def test_images_built_on_are_found() -> None:
    """Names in FROM lines and in arguments are bases whose change means a new build."""
    dockerfile = "FROM localhost/marquee/deps:1 AS deps\nFROM debian:12\n"
    assert local_images(dockerfile, {"BASE": "localhost/marquee/base-python:3.11", "V": "1"}) == [
        "localhost/marquee/base-python:3.11",
        "localhost/marquee/deps:1",
    ]


@pytest.mark.parametrize(
    "name", ["marquee/predictor:1", "localhost/marquee/predictor", "localhost/Up:1", "localhost/a:b c"]
)
def test_names_that_kubernetes_would_look_for_elsewhere_are_refused(context: Path, name: str) -> None:
    """An image that no registry has must say so in its name."""
    with pytest.raises(BuildFailed, match="no name for a local image"):
        build(name, dockerfile=context / "Dockerfile", context=context)


def test_a_missing_dockerfile_is_told(context: Path) -> None:
    """The path that does not exist is named."""
    with pytest.raises(BuildFailed, match="Nofile does not exist"):
        build("localhost/a:1", dockerfile=context / "Nofile", context=context)


def test_a_scratch_image_is_its_program_and_always_the_same_bytes(tmp_path: Path) -> None:
    """Equal inputs give equal archives, with the program as entry point of an ordinary user."""
    program = tmp_path / "tool"
    program.write_bytes(b"\x7fELF program")
    image = ScratchImage("localhost/marquee/tool:1", program)
    archives.write(image, tmp_path / "one.tar")
    archives.write(image, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        configuration = json.load(archive.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        layer = archive.extractfile("layer.tar").read()  # type: ignore[union-attr]
    assert manifest["RepoTags"] == ["localhost/marquee/tool:1"]
    assert configuration["config"]["Entrypoint"] == ["/tool"]
    assert configuration["config"]["User"] == "65532:65532"
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_a_scratch_image_takes_libraries_along(tmp_path: Path) -> None:
    """A program that is not static finds its libraries at the paths where its loader looks."""
    program, library = tmp_path / "tool", tmp_path / "libx.so"
    program.write_bytes(b"program")
    library.write_bytes(b"library")
    archives.write(ScratchImage("localhost/x:1", program, files={"lib64/libx.so": library}), tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as archive, tarfile.open(fileobj=archive.extractfile("layer.tar")) as layer:
        assert layer.extractfile("lib64/libx.so").read() == b"library"  # type: ignore[union-attr]
        assert layer.getmember("tool").mode == 0o755


LAYERS = {"low": b"lower layer", "high": b"upper layer"}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Two layers, whose record is their content: `layertar` of these tests prints it."""
    layers = []
    for name, content in LAYERS.items():
        (tmp_path / name).write_bytes(content)
        layers.append(Layer(handover.digest(content), len(content), tmp_path / name, tmp_path))
    return Image("localhost/marquee/x:1", b'{"mediaType": "m"}', b"{}", tuple(layers))


@pytest.fixture
def layertar(tmp_path: Path) -> Path:
    program = tmp_path / "layertar"
    program.write_text('#!/bin/sh\nexec cat "$1"\n')
    program.chmod(0o755)
    return program


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


def blob(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def test_only_missing_layers_travel(image: Image, layertar: Path, tmp_path: Path) -> None:
    """A layer that the node has is not in the archive; manifest and configuration always are."""
    archive = tmp_path / "image.tar"
    handover.write_archive(image, frozenset({handover.digest(LAYERS["low"])}), layertar, archive)
    assert blob(LAYERS["high"]) in names(archive)
    assert blob(LAYERS["low"]) not in names(archive)
    assert {blob(image.manifest), blob(image.configuration), "index.json", "oci-layout"} <= names(archive)


def test_the_index_names_the_image(image: Image, layertar: Path, tmp_path: Path) -> None:
    """Containerd takes the full name from the annotation."""
    archive = tmp_path / "image.tar"
    handover.write_archive(image, frozenset(), layertar, archive)
    with tarfile.open(archive) as tar:
        entry = json.load(tar.extractfile("index.json"))["manifests"][0]  # type: ignore[arg-type]
    assert entry["annotations"] == {"io.containerd.image.name": "localhost/marquee/x:1"}
    assert entry["digest"] == handover.digest(image.manifest)


def test_a_damaged_layer_never_reaches_the_node(image: Image, layertar: Path, tmp_path: Path) -> None:
    """Bytes that do not have the layer's digest are refused."""
    (tmp_path / "low").write_bytes(b"LOWER layer")
    with pytest.raises(CommandFailed, match="is damaged"):
        handover.write_archive(image, frozenset(), layertar, tmp_path / "image.tar")


@pytest.mark.parametrize(("driver", "folder"), [("overlay", "overlay/id-1/diff"), ("vfs", "vfs/dir/id-1")])
def test_layers_are_found_in_the_storage(tmp_path: Path, driver: str, folder: str) -> None:
    """A layer's files and its record lie where the storage driver puts them."""
    records = tmp_path / f"{driver}-layers"
    records.mkdir()
    (records / "layers.json").write_text(json.dumps([{"id": "id-1", "diff-digest": "sha256:aa", "diff-size": 5}]))
    manifest = json.dumps({"layers": [{"digest": "sha256:aa", "size": 5}]})
    inspected = {"Manifest": manifest, "Config": "{}"}
    with pytest.raises(CommandFailed, match="no record of layer"):
        handover.find("localhost/x:1", inspected, tmp_path, driver)
    (records / "id-1.tar-split.gz").touch()
    (layer,) = handover.find("localhost/x:1", inspected, tmp_path, driver).layers
    assert layer.folder == tmp_path / folder
    assert layer.size == 5
