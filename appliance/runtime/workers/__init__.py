"""The processes that move packets: started, told, watched, and begun anew."""
