"""The layered image builder: plan, ensure, catalogue."""
