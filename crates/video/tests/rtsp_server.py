"""Serves video files over RTSP by GStreamer's server, for tests.

/usr/bin/python3 rtsp_server.py NAME=FILE... [--port PORT] [--user USER:PASSWORD]
Writes its port to stdout; each file is at rtsp://127.0.0.1:PORT/NAME. MP4 with H.264 or H.265, or
AVI with JPEG.
"""

import argparse
import subprocess
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PAYLOADERS = {
    "h264": "qtdemux ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96",
    "hevc": "qtdemux ! h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96",
    "mjpeg": "avidemux ! jpegparse ! rtpjpegpay name=pay0 pt=26",
}


def codec(file):
    asked = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
             "stream=codec_name", "-of", "csv=p=0", file]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mounts", nargs="+")
    parser.add_argument("--port", default="0")
    parser.add_argument("--user")
    args = parser.parse_args()
    user = args.user and args.user.split(":", 1)
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_service(args.port)
    server.set_address("127.0.0.1")
    if user:
        auth = GstRtspServer.RTSPAuth.new()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken.new()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
        auth.add_digest(user[0], user[1], token)
        server.set_auth(auth)
    for mount in args.mounts:
        name, file = mount.split("=", 1)
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(f'( filesrc location="{file}" ! {PAYLOADERS[codec(file)]} )')
        if user:
            permissions = GstRtspServer.RTSPPermissions.new()
            permissions.add_permission_for_role("user", "media.factory.access", True)
            permissions.add_permission_for_role("user", "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(f"/{name}", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
