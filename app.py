"""The app as users start it, behind its access token: `make app`, or `python -m streamlit run app.py`."""

import streamlit as st
from starlette.middleware import Middleware

from pages.ui.access import start
from pages.ui.access.guard import guard

rules = start.rules()
app = st.App("Home.py", middleware=[Middleware(guard, rules=rules)], lifespan=start.lifespan(rules.token))
