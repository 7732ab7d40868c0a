"""Whether the browser gives this page a microphone: only to https, or to an address of the browser's own machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import streamlit as st


def is_allowed(address: str) -> bool:
    """Whether `address` is a secure context, as browsers call what may use a microphone."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    return parts.scheme == "https" or local


def note() -> None:
    """Beside a recorder: who is given the microphone, and what to do where this page is not."""
    address = st.context.url
    if not address or is_allowed(address):
        st.caption("The browser gives the microphone to this page on this machine only, or over https.")
        return
    port = urlsplit(address).port or 80
    st.warning(
        "The browser gives no microphone to this page: its address is neither https nor on the browser's own machine. "
        f"Upload recordings, or run `ssh -N -L {port}:127.0.0.1:{port} USER@MACHINE` where the browser runs, with the "
        f"machine of this app, and open `http://127.0.0.1:{port}` there."
    )
